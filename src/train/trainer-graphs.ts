import { FedrotError } from '../errors.js';
import { freeDense } from './dense.js';
import type { Model, ValueInfo } from './ir/graph.js';
import { fuseModel } from './fuse/fuse.js';
import { keepStatistics } from './fuse/keep-statistics.js';
import { injectLora } from './lora.js';
import type { LossKind } from './loss.js';
import type { Parameter } from './parameters.js';
import { splitPrefix, type PrefixSplit } from './prefix/split.js';
import { readForTraining } from './read-model.js';
import type { SessionOptions } from './session-types.js';
import { probeTypes } from './shapes/probe.js';
import { forwardGraph, logitsOf, trainingGraph } from './training-graph.js';

export interface TrainerGraphs {
  /** The model's own inputs: what a batch holds. */
  readonly inputs: readonly ValueInfo[];
  readonly logits: string;
  /** Size of the last dimension of the logits. */
  readonly classes: number;
  readonly loss: LossKind;
  readonly training: Model;
  readonly forward: Model;
  /** Absent where nothing is cached, or caching would not pay. */
  readonly split?: PrefixSplit;
}

/** Below this share of saved work, keeping activations costs more than it brings; PrefixCacheOptions may say otherwise. */
const WORTHWHILE = 0.15;

/** Loads the model, makes parameters of LoRA factors and heads, and builds what is run. */
export async function buildGraphs(
  options: SessionOptions,
  parameters: readonly Parameter[],
): Promise<TrainerGraphs> {
  const { folder, file, lora, dense, dropout = 0, loss = 'cross-entropy', prefixCache } = options;
  const base = await readForTraining(folder, file);
  const free = freeDense(base, dense);
  const model = injectLora(free, lora);
  const types = await probeTypes(model, folder);
  const logits = logitsOf(model).name;
  const classes = types.dims(logits).at(-1);
  if (typeof classes !== 'number')
    throw new FedrotError('model_unsupported', `the number of classes of "${logits}" is not fixed`);
  const trained = dropout > 0 ? injectLora(free, lora, { dropout: types }) : model;
  const trainedTypes = dropout > 0 ? await probeTypes(trained, folder) : types;
  const wanted = parameters.filter((parameter) => parameter.trained).map(({ input }) => input);
  const fused = keepStatistics(fuseModel(trained, trainedTypes), trainedTypes);
  const training = trainingGraph(fused.model, fused.types, wanted, { loss });
  const common = { inputs: base.graph.inputs, logits, classes, loss };
  const forward = forwardGraph(model, types, { loss });
  if (prefixCache === undefined) return { ...common, training, forward };
  const own = new Set(base.graph.inputs.map(({ name }) => name));
  const changing = training.graph.inputs.filter(({ name }) => !own.has(name)).map(({ name }) => name);
  const split = splitPrefix(training, trainedTypes, base.graph.inputs, new Set(changing));
  return split === undefined || split.share < (prefixCache.minShare ?? WORTHWHILE)
    ? { ...common, training, forward }
    : { ...common, training, forward, split };
}
