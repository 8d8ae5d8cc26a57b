import { FedrotError } from '../errors.js';
import type { Model } from '../train/ir/graph.js';
import type { AdaptableModule, DenseModule } from '../train/modules.js';
import { architectureOf } from './architectures.js';
import {
  checkConfig,
  commonConfig,
  type Architecture,
  type ModelHead,
} from './architectures/architecture.js';
import type { Pooling } from './architectures/pooling.js';
import type { Checkpoint } from './checkpoint.js';
import { ModelBuilder } from './model-builder.js';
import { isLabelled, TASK_HEADS, TASK_KINDS, type BundleTask, type TaskKind } from './tasks.js';
import type { WeightSink } from './weight-sink.js';
import { WeightSource } from './weight-source.js';

export interface ImportOptions {
  /** What the model is for; default text-classification where the architecture has such a head, else causal-lm. */
  readonly task?: TaskKind | undefined;
  /** Class names in the order of the class index; default the checkpoint's id2label, where it has a head. */
  readonly labels?: readonly string[] | undefined;
  /** What a new head derives from. */
  readonly seed: number;
  /** `auto` (default): the checkpoint's head where it has one; `new`: always a new one. */
  readonly head?: 'auto' | 'new' | undefined;
  /** What a new head of an encoder for whole texts reads: the first token (default), or the mean of all. */
  readonly pooling?: Pooling | undefined;
}

/** A checkpoint as an ONNX graph with the output `logits`. */
export interface ImportedModel {
  readonly model: Model;
  /** Name of the output that holds the logits; default `logits`. */
  readonly output?: string | undefined;
  /** Where it is not what transformers' model of this architecture does. */
  readonly pooling?: 'mean' | undefined;
  readonly modelType: string;
  readonly task: BundleTask;
  readonly adaptable: readonly AdaptableModule[];
  readonly dense: readonly DenseModule[];
  /** The head's modules, as PEFT's modules_to_save names them. */
  readonly headModules: readonly string[];
  /** Modules drawn at random because the checkpoint has none. */
  readonly madeModules: readonly string[];
  /** Tensors of the checkpoint that the model does not use. */
  readonly unusedTensors: readonly string[];
  /** The longest sequence, special tokens included. */
  readonly maxTokens: number;
  /** Token ids are below this. */
  readonly vocabulary: number;
}

/**
 * Builds a model for a task from a checkpoint; weights go to `sink` one at a time. Throws model_unsupported for an
 * architecture that is not in the table or has no head for the task, option_invalid where the labels do not fit the
 * task or the checkpoint's head, file_invalid for weights that do not fit config.json.
 */
export function importCheckpoint(
  checkpoint: Checkpoint,
  sink: WeightSink,
  options: ImportOptions,
): ImportedModel {
  const modelType = checkpoint.config.model_type;
  const architecture = architectureOf(modelType);
  const kind = options.task ?? (architecture.heads.sequence ? 'text-classification' : 'causal-lm');
  const head = headOf(architecture, modelType, kind);
  const common = checkConfig(commonConfig, checkpoint.config);
  const weights = new WeightSource(checkpoint, {
    basePrefix: architecture.basePrefix,
    initializerRange: common.initializer_range,
    seed: options.seed,
    newModules: options.head === 'new' ? head.modules : [],
  });
  const task = chooseTask(kind, weights, head, common.id2label, options);
  const pooling = options.pooling ?? 'cls';
  if (pooling !== 'cls') checkPooling(kind, weights, head, options);
  const builder = new ModelBuilder(weights, sink);
  const { maxTokens, vocabulary } = head.build(builder, checkpoint.config, task.labels.length || 1, pooling);
  return {
    model: builder.build(),
    ...(pooling === 'mean' && { pooling }),
    modelType,
    task,
    adaptable: builder.adaptable,
    dense: builder.dense,
    headModules: head.modules,
    madeModules: weights.made,
    unusedTensors: weights.unused,
    maxTokens,
    vocabulary,
  };
}

/** A head that was trained on the first token is of no use on the mean. */
function checkPooling(
  kind: TaskKind,
  weights: WeightSource,
  { tensor }: ModelHead,
  { head }: ImportOptions,
): void {
  if (TASK_HEADS[kind] !== 'sequence')
    throw new FedrotError(
      'option_invalid',
      `pooling: a model for ${kind} scores every token, there is nothing to pool; leave it out`,
    );
  if (head !== 'new' && weights.shape(tensor) !== undefined)
    throw new FedrotError(
      'option_invalid',
      "pooling: the checkpoint's head was trained on the first token; ask for a new head (head: new), or leave pooling out",
    );
}

function headOf(architecture: Architecture, modelType: string, kind: TaskKind): ModelHead {
  const head = architecture.heads[TASK_HEADS[kind]];
  if (head !== undefined) return head;
  const able = TASK_KINDS.filter((other) => architecture.heads[TASK_HEADS[other]] !== undefined);
  throw new FedrotError(
    'model_unsupported',
    `task: a model of type ${modelType} cannot be built for ${kind}; it can for ${able.join(', ')}`,
  );
}

function chooseTask(
  kind: TaskKind,
  weights: WeightSource,
  head: ModelHead,
  id2label: Readonly<Record<string, string>> | undefined,
  options: ImportOptions,
): BundleTask {
  if (isLabelled(kind)) return { kind, labels: [...chooseLabels(weights, head, id2label, options)] };
  if (options.labels !== undefined)
    throw new FedrotError('option_invalid', `labels: a model for ${kind} has no labels; leave them out`);
  if (kind === 'causal-lm' && options.head === 'new')
    throw new FedrotError('option_invalid', 'head: a language model keeps its head; leave `new` out');
  const rows = options.head === 'new' ? 1 : (weights.shape(head.tensor)?.[0] ?? 1);
  if (kind === 'text-regression' && rows !== 1)
    throw new FedrotError(
      'option_invalid',
      `task: text-regression needs a head with one output, but the checkpoint's has ${rows}; ask for a new head (head: new)`,
    );
  return { kind, labels: [] };
}

function chooseLabels(
  weights: WeightSource,
  modelHead: ModelHead,
  id2label: Readonly<Record<string, string>> | undefined,
  { labels, head }: ImportOptions,
): readonly string[] {
  const classes = head === 'new' ? undefined : weights.shape(modelHead.tensor)?.[0];
  const names = Object.entries(id2label ?? {})
    .sort(([a], [b]) => Number(a) - Number(b))
    .map(([, name]) => name);
  if (labels === undefined) {
    if (classes !== undefined && names.length === classes) return checkLabels(names);
    throw new FedrotError(
      'option_invalid',
      'labels: the checkpoint has no classification head that names its classes; say which labels there are',
    );
  }
  if (classes !== undefined && classes !== labels.length)
    throw new FedrotError(
      'option_invalid',
      `labels: ${labels.length} given, but the checkpoint's head has ${classes} classes (${names.join(', ')}); give as many, or ask for a new head (head: new)`,
    );
  if (classes !== undefined && isOtherOrder(labels, names))
    throw new FedrotError(
      'option_invalid',
      `labels: the checkpoint's head has them in another order: ${names.join(', ')}; give this order, or ask for a new head (head: new)`,
    );
  return checkLabels(labels);
}

/** The same names, but not in the same places. */
function isOtherOrder(labels: readonly string[], names: readonly string[]): boolean {
  return (
    labels.join('\n') !== names.join('\n') && [...labels].sort().join('\n') === [...names].sort().join('\n')
  );
}

function checkLabels(labels: readonly string[]): readonly string[] {
  if (labels.length < 2)
    throw new FedrotError('option_invalid', `labels: ${labels.length} given, at least 2 are needed`);
  const twice = labels.find((label, index) => labels.indexOf(label) !== index);
  if (twice !== undefined) throw new FedrotError('option_invalid', `labels: ${twice} comes twice`);
  if (labels.includes('')) throw new FedrotError('option_invalid', 'labels: a label is empty');
  return labels;
}
