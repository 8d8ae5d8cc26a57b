import { FedrotError } from '../errors.js';
import { inlineConstants } from './autodiff/constants.js';
import { differentiate } from './autodiff/differentiate.js';
import { Emitter } from './autodiff/emitter.js';
import { int } from './ir/attributes.js';
import { GraphBuilder } from './ir/builder.js';
import type { Dim, Model, ValueInfo } from './ir/graph.js';
import { pruneTo } from './ir/prune.js';
import { frozenHead } from './frozen-head.js';
import { linearCrossEntropy } from './linear-cross-entropy.js';
import { LOSSES, type LossKind } from './loss.js';
import type { Logits, LossNodes } from './loss-nodes.js';
import type { ValueTypes } from './shapes/extent.js';

/** Names of what the two graphs take and give beside the model's own inputs and the parameters. */
export const LABELS = 'fedrot/labels';
export const LOSS = 'fedrot/loss';
export const LOSS_SUM = 'fedrot/loss_sum';
export const PREDICTED = 'fedrot/predicted';
export const gradientName = (parameter: string): string => `fedrot/gradient/${parameter}`;

/** The model's output that the loss is taken of: the one called logits, or the only one. */
export function logitsOf(model: Model): ValueInfo {
  const { outputs } = model.graph;
  const found =
    outputs.find(({ name }) => name === 'logits') ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (found === undefined)
    throw new FedrotError(
      'model_unsupported',
      `none of the model's outputs (${outputs.map(({ name }) => name).join(', ')}) is called logits`,
    );
  return found;
}

interface LossOptions {
  /** Default cross-entropy. */
  readonly loss?: LossKind;
}

/** From so many classes on the loss of a training graph is computed in parts, where the head allows it. */
export const MANY_CLASSES = 4096;

interface Labelled {
  readonly builder: GraphBuilder;
  readonly logits: Logits;
  readonly nodes: LossNodes;
  /** The value that nodes.gradient() is the gradient of: the logits, or what a frozen head reads. */
  readonly source: string;
}

function withLabels(
  model: Model,
  types: ValueTypes,
  { loss: kind = 'cross-entropy', training = false }: LossOptions & { readonly training?: boolean },
): Labelled {
  const { name } = logitsOf(model);
  const builder = GraphBuilder.from(model, { outputs: [] });
  const logits = { name, type: types.type(name), dims: types.dims(name) };
  const loss = LOSSES[kind];
  const dims = logits.dims
    .slice(0, logits.dims.length - loss.without)
    .map((extent, i) => (typeof extent === 'number' ? extent : `label_${i}`));
  // Predictions of one number a row come as [batch, 1] and their targets as [batch].
  builder.input(LABELS, loss.labels(logits.type), kind === 'cross-entropy' ? dims : targetDims(dims));
  const classes = logits.dims.at(-1) ?? 0;
  const many = training && kind === 'cross-entropy' && typeof classes === 'number' && classes >= MANY_CLASSES;
  const head = many ? frozenHead(model, types, name) : undefined;
  if (head === undefined)
    return { builder, logits, nodes: loss.build(builder, logits, LABELS), source: name };
  const input = { type: types.type(head.x), dims: types.dims(head.x) };
  return { builder, logits, nodes: linearCrossEntropy(builder, head, input, LABELS), source: head.x };
}

function targetDims(dims: readonly Dim[]): readonly Dim[] {
  return dims.length > 1 && dims[dims.length - 1] === 1 ? dims.slice(0, -1) : dims;
}

/** Loss and gradients of the wanted graph inputs: outputs LOSS and gradientName(…). Parameters without influence are an error. */
export function trainingGraph(
  model: Model,
  types: ValueTypes,
  wanted: readonly string[],
  options: LossOptions = {},
): Model {
  const { builder, logits, nodes, source } = withLabels(model, types, { ...options, training: true });
  const gradients = differentiate({
    model,
    builder,
    types,
    constants: inlineConstants(model.graph),
    seeds: new Map([[source, nodes.gradient()]]),
    wanted,
  });
  builder.output(builder.op('Identity', [nodes.loss], {}, LOSS), logits.type, []);
  for (const parameter of wanted) {
    const gradient = gradients.get(parameter);
    if (gradient === undefined)
      throw new FedrotError('model_unsupported', `parameter ${parameter} has no influence on the logits`);
    const dims = types.dims(parameter).map((extent) => extent);
    builder.output(
      builder.op('Identity', [gradient], {}, gradientName(parameter)),
      types.type(parameter),
      dims,
    );
  }
  const built = builder.build();
  return pruneTo(built, built.graph.outputs);
}

/** Logits, the sum of the losses and, for classes, the most likely one: outputs of the model's logits, LOSS_SUM and PREDICTED. */
export function forwardGraph(model: Model, types: ValueTypes, options: LossOptions = {}): Model {
  const { builder, logits, nodes } = withLabels(model, types, options);
  builder.output(logits.name, logits.type, logits.dims);
  builder.output(builder.op('Identity', [nodes.lossSum], {}, LOSS_SUM), logits.type, []);
  if ((options.loss ?? 'cross-entropy') === 'cross-entropy') {
    const emit = new Emitter(builder);
    const predicted = emit.op('ArgMax', [logits.name], { axis: int(-1), keepdims: int(0) });
    const dims = logits.dims.slice(0, -1).map((extent) => (typeof extent === 'number' ? extent : ''));
    builder.output(builder.op('Identity', [predicted], {}, PREDICTED), 'int64', dims);
  }
  const built = builder.build();
  return pruneTo(built, built.graph.outputs);
}
