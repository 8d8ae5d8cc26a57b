import { FedrotError } from '../errors.js';
import type { OptimizerSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { countedLabels } from './batch-feeds.js';
import { checkOptions, checkStepOptions } from './check-options.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import { accumulate, addProximal, clipToNorm, globalNorm } from './gradient-math.js';
import { GraphRunner, type OpenStore, type ParameterValue } from './graph-runner.js';
import { makeOptimizer } from './optimizers/make-optimizer.js';
import type { Optimizer, OptimizerState } from './optimizers/optimizer.js';
import { fromGraph, matchNames, sessionParameters, toGraph, type Parameter } from './parameters.js';
import type {
  Batch,
  EvaluateOptions,
  EvaluationResult,
  SessionOptions,
  SessionState,
  StepOptions,
  StepResult,
} from './session-types.js';
import { buildGraphs, type TrainerGraphs } from './trainer-graphs.js';

/** A parameter that is trained, or may be. */
interface Slot extends ParameterValue {
  data: Float32Array;
  /** As last loaded: FedProx's w₀. */
  anchor: Float32Array;
}

/** What TrainSession does: parameters, their optimizer and its steps, in the caller's thread (ONNX Runtime blocks it): session-worker.ts runs it in a thread of its own. */
export class Trainer {
  readonly #graphs: TrainerGraphs;
  readonly #options: SessionOptions;
  readonly #slots: readonly Slot[];
  readonly #runner: GraphRunner;
  #optimizer: Optimizer | undefined;
  #spec: OptimizerSpec | undefined;
  #states: OptimizerState[] = [];
  #loaded = false;

  private constructor(
    options: SessionOptions,
    graphs: TrainerGraphs,
    parameters: readonly Parameter[],
    openStore?: OpenStore,
  ) {
    this.#options = options;
    this.#graphs = graphs;
    this.#slots = parameters.map((parameter) => ({
      parameter,
      data: new Float32Array(),
      anchor: new Float32Array(),
    }));
    this.#runner = new GraphRunner(graphs, options, openStore);
  }

  /** `openStore`: where activations are kept instead of in a cache of the trainer's own; needs `prefixCache`. */
  static async open(options: SessionOptions, openStore?: OpenStore): Promise<Trainer> {
    checkOptions(options);
    const parameters = sessionParameters(options);
    const graphs = await buildGraphs(options, parameters);
    return new Trainer(options, graphs, parameters, openStore);
  }

  /** Part of a step's weight products that caching the frozen layers saves, 0 to 1; 0 without it. */
  get cachedShare(): number {
    return this.#graphs.split?.share ?? 0;
  }

  /** Whether frozen matrices are kept in the form that products read. */
  get prepacked(): boolean {
    return this.#runner.prepacked;
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
      const result = await this.#runner.gradients(batch, this.#slots, seed);
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
    this.#needParameters();
    return this.#runner.fillPrefix(batch, this.#slots);
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
    this.#needParameters();
    const { loss, gradients } = await this.#runner.gradients(batch, this.#slots);
    const named = this.#trained().map(({ slot }, i) =>
      fromGraph(slot.parameter, gradients[i] ?? new Float32Array()),
    );
    return { loss, gradients: named };
  }

  async evaluate(batch: Batch, options: EvaluateOptions = {}): Promise<EvaluationResult> {
    this.#needParameters();
    return this.#runner.evaluate(batch, this.#slots, options);
  }

  async close(): Promise<void> {
    await this.#runner.close();
  }

  #trained(): { slot: Slot; index: number }[] {
    return this.#slots.map((slot, index) => ({ slot, index })).filter(({ slot }) => slot.parameter.trained);
  }

  #needParameters(): void {
    if (!this.#loaded) throw new FedrotError('precondition_failed', 'load the parameters first');
  }
}
