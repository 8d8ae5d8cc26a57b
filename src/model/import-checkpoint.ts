import { FedrotError } from '../errors.js';
import type { Model } from '../train/ir/graph.js';
import type { AdaptableModule, DenseModule } from '../train/modules.js';
import { architectureOf } from './architectures.js';
import { checkConfig, commonConfig, type Architecture } from './architectures/architecture.js';
import type { Checkpoint } from './checkpoint.js';
import { ModelBuilder } from './model-builder.js';
import type { WeightSink } from './weight-sink.js';
import { WeightSource } from './weight-source.js';

export interface ImportOptions {
  /** Class names in the order of the class index; default the checkpoint's id2label, where it has a head. */
  readonly labels?: readonly string[] | undefined;
  /** What a new head derives from. */
  readonly seed: number;
  /** `auto` (default): the checkpoint's head where it has one; `new`: always a new one. */
  readonly head?: 'auto' | 'new' | undefined;
}

/** A checkpoint as an ONNX graph with the output `logits` (batch × labels). */
export interface ImportedModel {
  readonly model: Model;
  readonly modelType: string;
  readonly labels: readonly string[];
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
 * Builds a text classifier from a checkpoint; weights go to `sink` one at a time. Throws model_unsupported
 * for an architecture that is not in the table, option_invalid where the labels do not fit the checkpoint's
 * head, file_invalid for weights that do not fit config.json.
 */
export function importCheckpoint(
  checkpoint: Checkpoint,
  sink: WeightSink,
  options: ImportOptions,
): ImportedModel {
  const modelType = checkpoint.config.model_type;
  const architecture = architectureOf(modelType);
  const common = checkConfig(commonConfig, checkpoint.config);
  const weights = new WeightSource(checkpoint, {
    basePrefix: architecture.basePrefix,
    initializerRange: common.initializer_range,
    seed: options.seed,
    newModules: options.head === 'new' ? architecture.headModules : [],
  });
  const labels = chooseLabels(weights, architecture, common.id2label, options);
  const builder = new ModelBuilder(weights, sink);
  const { maxTokens, vocabulary } = architecture.buildClassifier(builder, checkpoint.config, labels.length);
  return {
    model: builder.build(),
    modelType,
    labels,
    adaptable: builder.adaptable,
    dense: builder.dense,
    headModules: architecture.headModules,
    madeModules: weights.made,
    unusedTensors: weights.unused,
    maxTokens,
    vocabulary,
  };
}

function chooseLabels(
  weights: WeightSource,
  architecture: Architecture,
  id2label: Readonly<Record<string, string>> | undefined,
  { labels, head }: ImportOptions,
): readonly string[] {
  const classes = head === 'new' ? undefined : weights.shape(architecture.headTensor)?.[0];
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
