import { FedrotError } from '../errors.js';
import { Emitter } from './autodiff/emitter.js';
import { DROPOUT_SCALE, dropoutMask, maskDims } from './dropout.js';
import { GraphBuilder } from './ir/builder.js';
import type { ElementType, Model } from './ir/graph.js';
import { int64Vector } from './ir/tensor-value.js';
import type { LoraSite } from './session-types.js';
import type { Extent, ValueTypes } from './shapes/extent.js';
import { isQuantizedProduct, matrixDims, readersOf, usesOfWeight, type WeightUse } from './weight-uses.js';

/** PEFT's names of a module's factors. */
export function loraNames(module: string): { readonly a: string; readonly b: string } {
  const prefix = `base_model.model.${module}`;
  return { a: `${prefix}.lora_A.weight`, b: `${prefix}.lora_B.weight` };
}

/** Products with the initializer. Throws op_unsupported for a use that LoRA would miss. */
function productsWith(
  model: Model,
  initializer: string,
  type: ElementType,
  module: string,
): readonly WeightUse[] {
  const { products, others } = usesOfWeight(readersOf(model), initializer, type);
  for (const { node, input } of others)
    // A tied embedding may look the matrix up as well.
    if (node.op !== 'Gather')
      throw new FedrotError(
        'op_unsupported',
        `module ${module}: its weight ${initializer} is used by ${node.op} node "${node.name}" as input ${input}; LoRA knows MatMul, Gemm and FusedMatMul`,
      );
  return products;
}

/**
 * Adds y + scale · (x Aᵀ) Bᵀ behind every node that multiplies by the weight of a site. A (r × in) and B (out × r) become
 * graph inputs with PEFT's names. With `dropout` (the types of the model's
 * values) entries of x are zeroed by an input dropoutMask(module), one byte each, and the rest is multiplied by the scalar DROPOUT_SCALE
 * (Srivastava et al. 2014; PEFT's lora_dropout). Throws model_unsupported where a weight is missing, has another shape or is not used.
 */
export function injectLora(
  model: Model,
  sites: readonly LoraSite[],
  options: { readonly dropout?: ValueTypes } = {},
): Model {
  return sites.reduce((before, site) => injectOne(before, site, options.dropout), model);
}

function injectOne(model: Model, site: LoraSite, dropout: ValueTypes | undefined): Model {
  const { name, in: inputs, out: outputs, weight } = site.module;
  const tensor = model.graph.initializers.get(weight.initializer);
  const refuse = (why: string): never => {
    throw new FedrotError('model_unsupported', `module ${name}: ${why}`);
  };
  if (tensor === undefined) return refuse(`the model has no initializer ${weight.initializer}`);
  const uses = productsWith(model, weight.initializer, tensor.type, name);
  const product = uses[0]?.node;
  if (product === undefined) return refuse(`initializer ${weight.initializer} is not used by any product`);
  const dims = matrixDims(product, tensor);
  // Quantizing turns a matrix round; the module keeps saying how it lay before.
  const layout = isQuantizedProduct(product) ? 'out_in' : weight.layout;
  const [columnsAt, rowsAt] = layout === 'in_out' ? [1, 0] : [0, 1];
  const total = dims[columnsAt] ?? 0;
  const first = weight.firstOutput ?? 0;
  const fits = weight.firstOutput === undefined ? total === outputs : first + outputs <= total;
  if (dims.length !== 2 || dims[rowsAt] !== inputs || !fits)
    return refuse(
      `initializer ${weight.initializer} has shape [${dims.join(', ')}], which does not hold ${inputs} in and ${outputs} out from output ${first} (${layout})`,
    );
  if (uses.some((use) => use.outIn !== (layout === 'out_in')))
    return refuse(`initializer ${weight.initializer} is not used as ${layout} by the graph`);

  const builder = GraphBuilder.from(model, { nodes: [] });
  const { a, b } = loraNames(name);
  const type = uses[0]?.type ?? tensor.type;
  builder.input(a, type, [site.rank, inputs]);
  builder.input(b, type, [outputs, site.rank]);
  const emit = new Emitter(builder);
  // Where several modules share a matrix, B is padded with zero rows: cheaper than padding the product.
  const wideB =
    total === outputs
      ? b
      : emit.op('Pad', [b, builder.constant(int64Vector([first, 0, total - first - outputs, 0]))]);
  for (const node of model.graph.nodes) {
    const use = uses.find((candidate) => candidate.node === node);
    if (use === undefined) {
      builder.append(node);
      continue;
    }
    const output = node.outputs[0] ?? '';
    const plain = builder.fresh(`${output}/frozen`);
    builder.append({ ...node, outputs: [plain, ...node.outputs.slice(1)] });
    const x = use.transposed ? emit.transpose(use.activation, [1, 0]) : use.activation;
    // Only the right operand is transposed, and that is a matrix whatever the rank of x.
    const right = { type: use.type, ranks: [2, 2], transB: true } as const;
    const kept =
      dropout === undefined ? x : dropped(builder, emit, x, dropout.dims(use.activation), name, use.type);
    const raw = emit.matmul(kept, a, right);
    const low = dropout === undefined ? raw : emit.mul(raw, DROPOUT_SCALE);
    const delta = emit.matmul(low, wideB, { ...right, alpha: site.scale * use.alpha });
    builder.op('Add', [plain, delta], {}, output);
  }
  return builder.build();
}

/** x where the module's mask is 1, else 0. */
function dropped(
  builder: GraphBuilder,
  emit: Emitter,
  x: string,
  dims: readonly Extent[],
  module: string,
  type: ElementType,
): string {
  const mask = dropoutMask(module);
  if (!builder.has(mask)) builder.input(mask, 'uint8', maskDims(dims));
  if (!builder.has(DROPOUT_SCALE)) builder.input(DROPOUT_SCALE, type, []);
  const shaped = emit.op('Reshape', [emit.cast(mask, 'bool'), emit.op('Shape', [x])]);
  return emit.op('Where', [shaped, x, emit.scalar(type, 0)]);
}
