import { FedrotError } from '../errors.js';
import type { OptimizerSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { batchFeeds, countedLabels } from './batch-feeds.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import { freeDense } from './dense.js';
import { encodeModel } from './ir/codec.js';
import type { Model, ValueInfo } from './ir/graph.js';
import { injectLora } from './lora.js';
import { makeOptimizer } from './optimizers/make-optimizer.js';
import type { Optimizer, OptimizerState } from './optimizers/optimizer.js';
import { openRuntime, type Runtime, type RuntimeTensor } from './ort.js';
import { readForTraining } from './read-model.js';
import { fromGraph, matchNames, sessionParameters, toGraph, type Parameter } from './parameters.js';
import type { Batch, EvaluationResult, SessionOptions, StepResult } from './session-types.js';
import { probeTypes } from './shapes/probe.js';
import {
  forwardGraph,
  gradientName,
  LOSS,
  LOSS_SUM,
  logitsOf,
  PREDICTED,
  trainingGraph,
} from './training-graph.js';

/** A parameter with its numbers, as the graph takes them. */
interface Slot {
  readonly parameter: Parameter;
  data: Float32Array;
}

interface Graphs {
  readonly model: Model;
  readonly inputs: readonly ValueInfo[];
  readonly logits: string;
  readonly classes: number;
  readonly training: Model;
  readonly forward: Model;
}

/** Loads the model, makes parameters of LoRA factors and heads, and builds both graphs. */
async function buildGraphs(options: SessionOptions, parameters: readonly Parameter[]): Promise<Graphs> {
  const { folder } = options;
  const base = await readForTraining(folder, options.file);
  const model = injectLora(freeDense(base, options.dense), options.lora);
  const types = await probeTypes(model, folder);
  const wanted = parameters.filter(({ trained }) => trained).map(({ input }) => input);
  const logits = logitsOf(model).name;
  const classes = types.dims(logits).at(-1);
  if (typeof classes !== 'number')
    throw new FedrotError('model_unsupported', `the number of classes of "${logits}" is not fixed`);
  return {
    model,
    inputs: base.graph.inputs,
    logits,
    classes,
    training: trainingGraph(model, types, wanted),
    forward: forwardGraph(model, types),
  };
}

/** What TrainSession does, in the caller's thread (ONNX Runtime blocks it): session-worker.ts runs it in a thread of its own. */
export class Trainer {
  readonly #graphs: Graphs;
  readonly #options: SessionOptions;
  readonly #slots: readonly Slot[];
  #training: Runtime | undefined;
  #forward: Runtime | undefined;
  #optimizer: Optimizer | undefined;
  #states: OptimizerState[] = [];
  #loaded = false;

  private constructor(options: SessionOptions, graphs: Graphs, slots: readonly Slot[]) {
    this.#options = options;
    this.#graphs = graphs;
    this.#slots = slots;
  }

  static async open(options: SessionOptions): Promise<Trainer> {
    const parameters = sessionParameters(options);
    const graphs = await buildGraphs(options, parameters);
    const slots = parameters.map((parameter) => ({ parameter, data: new Float32Array() }));
    return new Trainer(options, graphs, slots);
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
    this.#slots.forEach((slot, i) => (slot.data = data[i] ?? slot.data));
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
    this.#states = this.#slots.map(({ data }) => optimizer.init(data.length));
  }

  async step(batches: readonly Batch[]): Promise<StepResult> {
    const optimizer = this.#optimizer;
    if (optimizer === undefined)
      throw new FedrotError(
        'precondition_failed',
        'choose an optimizer with resetOptimizer before the first step',
      );
    const counts = batches.map(countedLabels);
    const total = counts.reduce((sum, count) => sum + count, 0);
    if (total === 0)
      throw new FedrotError(
        'data_invalid',
        `batch: no label counts (all are ${IGNORED_LABEL}), so there is nothing to learn`,
      );
    let loss = 0;
    let gradients: Float32Array[] | undefined;
    for (const [i, batch] of batches.entries()) {
      const weight = (counts[i] ?? 0) / total;
      if (weight === 0) continue;
      const result = await this.#run(batch);
      loss += weight * result.loss;
      gradients = accumulate(gradients, result.gradients, weight);
    }
    const norm = Math.sqrt((gradients ?? []).reduce((sum, gradient) => sum + squaredNorm(gradient), 0));
    if (!Number.isFinite(loss) || !Number.isFinite(norm))
      throw new FedrotError(
        'tensor_not_finite',
        `training diverged: loss ${loss}, gradient norm ${norm}; lower the learning rate`,
      );
    this.#trained().forEach(({ slot, index }, i) => {
      const [state, gradient] = [this.#states[index], gradients?.[i]];
      if (state !== undefined && gradient !== undefined) optimizer.update(state, slot.data, gradient);
    });
    return { loss, gradientNorm: norm };
  }

  async gradients(batch: Batch): Promise<{ loss: number; gradients: NamedTensor[] }> {
    const { loss, gradients } = await this.#run(batch);
    const named = this.#trained().map(({ slot }, i) =>
      fromGraph(slot.parameter, gradients[i] ?? new Float32Array()),
    );
    return { loss, gradients: named };
  }

  async evaluate(batch: Batch): Promise<EvaluationResult> {
    const { forward, logits, inputs } = this.#graphs;
    this.#forward ??= await this.#openGraph(forward);
    const fed = this.#feeds(batch, inputs, forward);
    const results = await this.#forward.run(fed, [logits, LOSS_SUM, PREDICTED]);
    const output = results[logits];
    const predicted = results[PREDICTED]?.data ?? [];
    let [count, correct] = [0, 0];
    batch.labels.data.forEach((label, i) => {
      if (label === BigInt(IGNORED_LABEL)) return;
      count++;
      if (predicted[i] === label) correct++;
    });
    const lossSum = Number(results[LOSS_SUM]?.data[0] ?? NaN);
    const data = Float32Array.from(output?.data ?? [], Number);
    return { lossSum, count, correct, logits: { dims: output?.dims ?? [], data } };
  }

  async close(): Promise<void> {
    await this.#training?.close();
    await this.#forward?.close();
    this.#training = this.#forward = undefined;
  }

  #trained(): { slot: Slot; index: number }[] {
    return this.#slots.map((slot, index) => ({ slot, index })).filter(({ slot }) => slot.parameter.trained);
  }

  #needParameters(): void {
    if (!this.#loaded) throw new FedrotError('precondition_failed', 'load the parameters first');
  }

  #openGraph(model: Model): Promise<Runtime> {
    const { folder, threads = 1, spinning = false } = this.#options;
    return openRuntime(encodeModel(model), { folder, threads, spinning });
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

  async #run(batch: Batch): Promise<{ loss: number; gradients: Float32Array[] }> {
    const { training, inputs } = this.#graphs;
    this.#training ??= await this.#openGraph(training);
    const names = this.#trained().map(({ slot }) => gradientName(slot.parameter.input));
    const results = await this.#training.run(this.#feeds(batch, inputs, training), [LOSS, ...names]);
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

/** sum + weight · added, over the first one's memory. */
function accumulate(sum: Float32Array[] | undefined, added: Float32Array[], weight: number): Float32Array[] {
  if (sum === undefined)
    return weight === 1 ? added : added.map((gradient) => gradient.map((value) => value * weight));
  sum.forEach((total, k) => {
    const more = added[k];
    if (more !== undefined)
      for (let i = 0; i < total.length; i++) total[i] = (total[i] ?? 0) + weight * (more[i] ?? 0);
  });
  return sum;
}

function squaredNorm(values: Float32Array): number {
  let sum = 0;
  for (const value of values) sum += value * value;
  return sum;
}
