import { FedrotError } from '../errors.js';
import type { OptimizerSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { batchFeeds, countedLabels } from './batch-feeds.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import { checkOptions, checkStepOptions } from './check-options.js';
import { dropoutFeeds } from './dropout.js';
import { accumulate, addProximal, clipToNorm, globalNorm } from './gradient-math.js';
import type { Model, ValueInfo } from './ir/graph.js';
import { makeOptimizer } from './optimizers/make-optimizer.js';
import type { Optimizer, OptimizerState } from './optimizers/optimizer.js';
import type { RuntimeTensor } from './ort.js';
import { fromGraph, matchNames, sessionParameters, toGraph, type Parameter } from './parameters.js';
import type { ActivationStore } from './prefix/cache.js';
import { PrefixRunner } from './prefix/prefix-runner.js';
import { forwardRest, type PrefixSplit } from './prefix/split.js';
import { Runtimes } from './runtimes.js';
import type {
  Batch,
  EvaluateOptions,
  EvaluationResult,
  SessionOptions,
  SessionState,
  StepOptions,
  StepResult,
} from './session-types.js';
import { runtimeSizes } from './shapes/extent.js';
import { buildGraphs, type TrainerGraphs } from './trainer-graphs.js';
import { gradientName, LOSS, LOSS_SUM, PREDICTED } from './training-graph.js';

/** A parameter with its numbers, as the graph takes them. */
interface Slot {
  readonly parameter: Parameter;
  data: Float32Array;
  /** As last loaded: FedProx's w₀. */
  anchor: Float32Array;
}

/** A store of activations for what a split's prefix computes; used in evaluations too. */
export type OpenStore = (split: PrefixSplit) => ActivationStore;

/** What TrainSession does, in the caller's thread (ONNX Runtime blocks it): session-worker.ts runs it in a thread of its own. */
export class Trainer {
  readonly #graphs: TrainerGraphs;
  readonly #options: SessionOptions;
  readonly #prefixes: PrefixRunner | undefined;
  /** Takes the prefix's result as an input; only with a store of the caller's. */
  readonly #scoring: Model | undefined;
  readonly #slots: readonly Slot[];
  readonly #runtimes: Runtimes;
  #optimizer: Optimizer | undefined;
  #spec: OptimizerSpec | undefined;
  #states: OptimizerState[] = [];
  #loaded = false;

  private constructor(
    options: SessionOptions,
    graphs: TrainerGraphs,
    slots: readonly Slot[],
    openStore?: OpenStore,
  ) {
    this.#options = options;
    this.#graphs = graphs;
    this.#slots = slots;
    this.#runtimes = new Runtimes(graphs, options);
    const { split } = graphs;
    const { prefixCache } = options;
    if (split !== undefined && prefixCache !== undefined)
      this.#prefixes = new PrefixRunner(split, prefixCache, openStore?.(split));
    if (split !== undefined && openStore !== undefined) this.#scoring = forwardRest(graphs.forward, split);
  }

  /** `openStore`: where activations are kept instead of in a cache of the trainer's own; needs `prefixCache`. */
  static async open(options: SessionOptions, openStore?: OpenStore): Promise<Trainer> {
    checkOptions(options);
    const parameters = sessionParameters(options);
    const graphs = await buildGraphs(options, parameters);
    const slots = parameters.map((parameter) => ({
      parameter,
      data: new Float32Array(),
      anchor: new Float32Array(),
    }));
    return new Trainer(options, graphs, slots, openStore);
  }

  /** Part of a step's weight products that caching the frozen layers saves, 0 to 1; 0 without it. */
  get cachedShare(): number {
    return this.#graphs.split?.share ?? 0;
  }

  /** Whether frozen matrices are kept in the form that products read. */
  get prepacked(): boolean {
    return this.#runtimes.prepacking;
  }

  get parameters(): { name: string; shape: readonly number[] }[] {
    return this.#slots.map(({ parameter: { name, shape } }) => ({ name, shape }));
  }

  load(tensors: readonly NamedTensor[]): void {
    const matched = matchNames(
      this.#slots.map(({ parameter }) => parameter),
      tensors,
    );
    const data = matched.map((tensor, i) => {
      const slot = this.#slots[i];
      return slot === undefined ? tensor.data : toGraph(slot.parameter, tensor);
    });
    this.#slots.forEach((slot, i) => {
      slot.data = data[i] ?? slot.data;
      slot.anchor = slot.data.slice();
    });
    this.#loaded = true;
  }

  read(): NamedTensor[] {
    this.#needParameters();
    return this.#slots.map(({ parameter, data }) => fromGraph(parameter, data));
  }

  resetOptimizer(spec: OptimizerSpec): void {
    this.#needParameters();
    const optimizer = makeOptimizer(spec);
    this.#optimizer = optimizer;
    this.#spec = spec;
    this.#states = this.#slots.map(({ data }) => optimizer.init(data.length));
  }

  async step(batches: readonly Batch[], options: StepOptions = {}): Promise<StepResult> {
    const optimizer = this.#optimizer;
    if (optimizer === undefined)
      throw new FedrotError(
        'precondition_failed',
        'choose an optimizer with resetOptimizer before the first step',
      );
    checkStepOptions(options, this.#options.dropout ?? 0);
    const counts = batches.map(countedLabels);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0)
      throw new FedrotError(
        'data_invalid',
        `batch: no label counts (all are ${IGNORED_LABEL}), so there is nothing to learn`,
      );
    let loss = 0;
    let gradients: Float32Array[] = [];
    for (const [i, batch] of batches.entries()) {
      const weight = (counts[i] ?? 0) / total;
      if (weight === 0) continue;
      const seed = options.dropoutSeed === undefined ? undefined : [...options.dropoutSeed, i];
      const result = await this.#run(batch, seed);
      loss += weight * result.loss;
      gradients = accumulate(gradients.length === 0 ? undefined : gradients, result.gradients, weight);
    }
    const trained = this.#trained();
    const { learningRate, maxGradientNorm, proximal = 0 } = options;
    if (proximal > 0)
      trained.forEach(({ slot }, i) => addProximal(gradients[i]!, slot.data, slot.anchor, proximal));
    const norm = globalNorm(gradients);
    if (!Number.isFinite(loss) || !Number.isFinite(norm))
      throw new FedrotError(
        'tensor_not_finite',
        `training diverged: loss ${loss}, gradient norm ${norm}; lower the learning rate`,
      );
    if (maxGradientNorm !== undefined) clipToNorm(gradients, norm, maxGradientNorm);
    trained.forEach(({ slot, index }, i) =>
      optimizer.update(this.#states[index]!, slot.data, gradients[i]!, learningRate),
    );
    return { loss, gradientNorm: norm };
  }

  async fillPrefix(batch: Batch): Promise<boolean> {
    const { split, inputs } = this.#graphs;
    if (split === undefined || this.#prefixes === undefined) return false;
    return this.#prefixes.fill(batch, this.#feeds(batch, inputs, split.prefix), () =>
      this.#runtimes.prefix(),
    );
  }

  saveState(): SessionState {
    this.#needParameters();
    const all = (values: (slot: Slot) => Float32Array): NamedTensor[] =>
      this.#slots.map((slot) => fromGraph(slot.parameter, values(slot)));
    const parameters = all(({ data }) => data);
    const anchor = all((slot) => slot.anchor);
    const spec = this.#spec;
    if (spec === undefined) return { parameters, anchor };
    const states = this.#states.map(({ step, slots }) => ({
      step,
      slots: slots.map((slot) => slot.slice()),
    }));
    return { parameters, anchor, optimizer: { spec, states } };
  }

  /** Throws tensor_name or tensor_shape for a state of another session. */
  restoreState(state: SessionState): void {
    this.load(state.anchor);
    const anchors = this.#slots.map(({ anchor }) => anchor);
    this.load(state.parameters);
    this.#slots.forEach((slot, i) => (slot.anchor = anchors[i] ?? slot.anchor));
    if (state.optimizer === undefined) return;
    const { spec, states } = state.optimizer;
    this.resetOptimizer(spec);
    const fits = this.#states.every((fresh, i) => {
      const saved = states[i];
      return (
        saved?.slots.length === fresh.slots.length &&
        fresh.slots.every((slot, k) => slot.length === saved.slots[k]?.length)
      );
    });
    if (!fits || states.length !== this.#states.length)
      throw new FedrotError('tensor_shape', 'the saved optimizer state does not fit the parameters');
    this.#states = states.map(({ step, slots }) => ({ step, slots: slots.map((slot) => slot.slice()) }));
  }

  async gradients(batch: Batch): Promise<{ loss: number; gradients: NamedTensor[] }> {
    const { loss, gradients } = await this.#run(batch, undefined);
    const named = this.#trained().map(({ slot }, i) =>
      fromGraph(slot.parameter, gradients[i] ?? new Float32Array()),
    );
    return { loss, gradients: named };
  }

  async evaluate(batch: Batch, options: EvaluateOptions = {}): Promise<EvaluationResult> {
    const { forward, logits, inputs, loss } = this.#graphs;
    const wanted = options.logits ?? true;
    const graph = this.#scoring ?? forward;
    const runtime = await this.#runtimes.forward(graph);
    const fed = this.#feeds(batch, inputs, graph);
    if (graph !== forward) await this.#addPrefix(fed, batch);
    const results = await runtime.run(fed, [
      ...(wanted ? [logits] : []),
      LOSS_SUM,
      ...(loss === 'cross-entropy' ? [PREDICTED] : []),
    ]);
    const output = results[logits];
    const predicted = (results[PREDICTED]?.data ?? new BigInt64Array()) as BigInt64Array;
    let correct = 0;
    batch.labels.data.forEach((label, i) => {
      if (label !== BigInt(IGNORED_LABEL) && predicted[i] === label) correct++;
    });
    const lossSum = Number(results[LOSS_SUM]?.data[0] ?? NaN);
    const data = Float32Array.from(output?.data ?? [], Number);
    const count = countedLabels(batch);
    return { lossSum, count, correct, predicted, logits: { dims: output?.dims ?? [], data } };
  }

  async close(): Promise<void> {
    await this.#runtimes.close();
    this.#prefixes?.close();
  }

  #trained(): { slot: Slot; index: number }[] {
    return this.#slots.map((slot, index) => ({ slot, index })).filter(({ slot }) => slot.parameter.trained);
  }

  #needParameters(): void {
    if (!this.#loaded) throw new FedrotError('precondition_failed', 'load the parameters first');
  }

  #feeds(batch: Batch, inputs: readonly ValueInfo[], graph: Model): Record<string, RuntimeTensor> {
    this.#needParameters();
    const feeds = batchFeeds(inputs, batch, this.#graphs);
    for (const { parameter, data } of this.#slots)
      feeds[parameter.input] = { type: 'float', dims: parameter.dims, data };
    // An input that the logits do not depend on is not part of the graph.
    const used = new Set(graph.graph.inputs.map(({ name }) => name));
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => used.has(name)));
  }

  /** What the layers below the first adapted one give, where it is cached. */
  async #addPrefix(feeds: Record<string, RuntimeTensor>, batch: Batch): Promise<void> {
    const { split, inputs } = this.#graphs;
    if (split === undefined || this.#prefixes === undefined) return;
    feeds[split.value] = await this.#prefixes.run(batch, this.#feeds(batch, inputs, split.prefix), () =>
      this.#runtimes.prefix(),
    );
  }

  async #run(
    batch: Batch,
    dropoutSeed: readonly (string | number)[] | undefined,
  ): Promise<{ loss: number; gradients: Float32Array[] }> {
    const { training, inputs, split } = this.#graphs;
    const names = this.#trained().map(({ slot }) => gradientName(slot.parameter.input));
    const graph = split?.rest ?? training;
    const runtime = await this.#runtimes.training();
    const sizes = runtimeSizes(inputs, (name) => batch.inputs[name]?.dims);
    const feeds = {
      ...this.#feeds(batch, inputs, graph),
      ...dropoutFeeds(graph.graph.inputs, this.#options, sizes, dropoutSeed),
    };
    await this.#addPrefix(feeds, batch);
    const results = await runtime.run(feeds, [LOSS, ...names]);
    return {
      loss: Number(results[LOSS]?.data[0] ?? NaN),
      gradients: names.map((name) => {
        const data = results[name]?.data;
        if (data instanceof Float32Array) return data;
        throw new FedrotError('internal', `${name} is not float32`);
      }),
    };
  }
}
