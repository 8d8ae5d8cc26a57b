import { FedrotError } from '../../errors.js';
import { int } from '../ir/attributes.js';
import { GraphBuilder } from '../ir/builder.js';
import type { Model, Node, TensorValue } from '../ir/graph.js';
import { floatTensor, rawTensor, tensorFloats } from '../ir/tensor-value.js';
import { pruneTo } from '../ir/prune.js';
import { numberOf, readersOf, usesOfWeight } from '../weight-uses.js';
import { quantizeMatrix, type QuantizationSpec } from './blocks.js';
import { raiseOpset } from './raise-opset.js';

/** DequantizeLinear, which gradients go through, knows blocks and 4-bit numbers from this opset on. */
const QUANTIZED_OPSET = 21;

export interface QuantizeOptions extends QuantizationSpec {
  /** Folder of external data. */
  readonly folder?: string;
  /** Initializers that stay as they are: weights of modules trained in full. */
  readonly keep?: ReadonlySet<string>;
  /** Whether the matrix behind the logits is quantized too; default false: it costs accuracy for little. */
  readonly head?: boolean;
  /** Takes each large tensor as it is made, e.g. to write it to a file; default keeps it in memory. */
  readonly store?: (value: TensorValue) => TensorValue;
}

export interface QuantizedModel {
  readonly model: Model;
  /** Weights that are quantized now; the initializers keep their names and hold MatMulNBits' blocks. */
  readonly quantized: readonly string[];
}

/** Smaller matrices stay: their scales would outweigh what is gained. */
const SMALLEST = 1024;

/**
 * The same model with the matrices of linear layers in 4 or 8 bits (com.microsoft.MatMulNBits, computed in float32). Takes the model as
 * read by normalizeModel; its opset is raised to 21. LoRA finds the quantized weights under their old names (QLoRA, Dettmers et al.,
 * arXiv 2305.14314, with plain integer blocks instead of NF4). Throws option_invalid, model_unsupported.
 */
export function quantizeModel(model: Model, options: QuantizeOptions): QuantizedModel {
  const {
    bits,
    block,
    folder,
    keep = new Set<string>(),
    store = (value: TensorValue): TensorValue => value,
  } = options;
  if (![4, 8].includes(bits) || ![32, 64, 128].includes(block))
    throw new FedrotError(
      'option_invalid',
      `quantize: ${bits} bits in blocks of ${block}; there are 4 and 8 bits, blocks of 32, 64 and 128`,
    );
  const raised = raiseOpset(model, QUANTIZED_OPSET);
  const targets = new Map<string, ReadonlySet<Node>>();
  const readers = readersOf(raised);
  for (const [name, tensor] of raised.graph.initializers)
    if (!keep.has(name)) {
      const nodes = quantizable(raised, readers, name, tensor, options.head ?? false);
      if (nodes !== undefined) targets.set(name, nodes);
    }
  const weightOf = new Map<Node, string>();
  for (const [name, nodes] of targets) for (const node of nodes) weightOf.set(node, name);

  const initializers = new Map(raised.graph.initializers);
  const scaleNames = new Map<string, string>();
  const shapes = new Map<string, { readonly in: number; readonly out: number }>();
  for (const [name, nodes] of targets) {
    const tensor = initializers.get(name)!;
    const outIn = [...nodes].every((node) => numberOf(node, 'transB', 0) === 1);
    const [rows = 0, columns = 0] = tensor.dims;
    const shape = outIn ? { out: rows, in: columns } : { out: columns, in: rows };
    const values = tensorFloats(tensor, folder);
    const at = outIn
      ? (o: number, i: number): number => values[o * columns + i]!
      : (o: number, i: number): number => values[i * columns + o]!;
    const { blob, scales, blocks } = quantizeMatrix(at, shape, { bits, block });
    initializers.set(name, store(rawTensor('uint8', [shape.out, blocks, (block * bits) / 8], blob)));
    const scaleName = `${name}/scales`;
    initializers.set(scaleName, store(floatTensor([shape.out * blocks], scales)));
    scaleNames.set(name, scaleName);
    shapes.set(name, shape);
  }
  const base: Model = { ...raised, graph: { ...raised.graph, initializers } };
  const builder = GraphBuilder.from(base, { nodes: [] });
  for (const node of base.graph.nodes) {
    const name = weightOf.get(node);
    const shape = name === undefined ? undefined : shapes.get(name);
    if (name === undefined || shape === undefined) {
      builder.append(node);
      continue;
    }
    const bias = node.op === 'Gemm' ? (node.inputs[2] ?? '') : '';
    const output = node.outputs[0] ?? '';
    const product = bias === '' ? output : builder.fresh(`${output}/product`);
    builder.append({
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      name: node.name,
      inputs: [node.inputs[0] ?? '', name, scaleNames.get(name) ?? ''],
      outputs: [product],
      attributes: { K: int(shape.in), N: int(shape.out), bits: int(bits), block_size: int(block) },
    });
    if (bias !== '') builder.op('Add', [product, bias], {}, output);
  }
  const built = builder.build();
  return { model: pruneTo(built, built.graph.outputs), quantized: [...targets.keys()] };
}

/** The nodes that multiply by a weight where all of them can be MatMulNBits; else undefined. */
function quantizable(
  model: Model,
  readers: ReadonlyMap<string, readonly Node[]>,
  name: string,
  tensor: TensorValue,
  head: boolean,
): ReadonlySet<Node> | undefined {
  const [rows = 0, columns = 0] = tensor.dims;
  if (tensor.type !== 'float' || tensor.dims.length !== 2 || rows * columns < SMALLEST) return undefined;
  const { products, others } = usesOfWeight(readers, name, tensor.type);
  if (products.length === 0 || others.length > 0) return undefined;
  const direct = products.every(
    ({ node, transposed, alpha, outIn }) =>
      node.inputs[1] === name &&
      !transposed &&
      alpha === 1 &&
      (node.op === 'MatMul' || (node.op === 'Gemm' && numberOf(node, 'beta', 1) === 1)) &&
      outIn === products[0]?.outIn,
  );
  if (!direct) return undefined;
  const outputs = new Set(model.graph.outputs.map((output) => output.name));
  if (!head && products.some(({ node }) => leadsTo(readers, node, outputs))) return undefined;
  return new Set(products.map(({ node }) => node));
}

/** True where the node's output is an output of the graph, or becomes one by adding a bias. */
function leadsTo(
  readers: ReadonlyMap<string, readonly Node[]>,
  node: Node,
  outputs: ReadonlySet<string>,
): boolean {
  return node.outputs.some(
    (output) =>
      outputs.has(output) ||
      (readers.get(output) ?? []).some(
        ({ op, outputs: next }) =>
          ['Add', 'Cast', 'Identity', 'Squeeze'].includes(op) && next.some((name) => outputs.has(name)),
      ),
  );
}
