import { FedrotError } from '../errors.js';
import { inlineConstants } from './autodiff/constants.js';
import { differentiate } from './autodiff/differentiate.js';
import { Emitter } from './autodiff/emitter.js';
import { crossEntropy } from './cross-entropy.js';
import { int } from './ir/attributes.js';
import { GraphBuilder } from './ir/builder.js';
import type { Model, ValueInfo } from './ir/graph.js';
import { pruneTo } from './ir/prune.js';
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

function withLabels(
  model: Model,
  types: ValueTypes,
): { builder: GraphBuilder; logits: Parameters<typeof crossEntropy>[1] } {
  const { name } = logitsOf(model);
  const builder = GraphBuilder.from(model, { outputs: [] });
  const logits = { name, type: types.type(name), dims: types.dims(name) };
  const dims = logits.dims
    .slice(0, -1)
    .map((extent, i) => (typeof extent === 'number' ? extent : `label_${i}`));
  builder.input(LABELS, 'int64', dims);
  return { builder, logits };
}

/** Loss and gradients of the wanted graph inputs: outputs LOSS and gradientName(…). Parameters without influence are an error. */
export function trainingGraph(model: Model, types: ValueTypes, wanted: readonly string[]): Model {
  const { builder, logits } = withLabels(model, types);
  const entropy = crossEntropy(builder, logits, LABELS);
  const gradients = differentiate({
    model,
    builder,
    types,
    constants: inlineConstants(model.graph),
    seeds: new Map([[logits.name, entropy.gradient()]]),
    wanted,
  });
  builder.output(builder.op('Identity', [entropy.loss], {}, LOSS), logits.type, []);
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

/** Logits, the sum of the losses and the most likely class: outputs of the model's logits, LOSS_SUM and PREDICTED. */
export function forwardGraph(model: Model, types: ValueTypes): Model {
  const { builder, logits } = withLabels(model, types);
  const entropy = crossEntropy(builder, logits, LABELS);
  const predicted = new Emitter(builder).op('ArgMax', [logits.name], { axis: int(-1), keepdims: int(0) });
  builder.output(logits.name, logits.type, logits.dims);
  builder.output(builder.op('Identity', [entropy.lossSum], {}, LOSS_SUM), logits.type, []);
  const dims = logits.dims.slice(0, -1).map((extent) => (typeof extent === 'number' ? extent : ''));
  builder.output(builder.op('Identity', [predicted], {}, PREDICTED), 'int64', dims);
  const built = builder.build();
  return pruneTo(built, built.graph.outputs);
}
