import type { Model, Node, ValueInfo } from '../ir/graph.js';
import { pruneTo, readBy } from '../ir/prune.js';
import { dimensionKey, type ValueTypes } from '../shapes/extent.js';
import { matrixDims } from '../weight-uses.js';

/** A training graph in two: what depends on frozen weights only, and the rest, which takes its result as an input. */
export interface PrefixSplit {
  /** The value that the prefix computes, [batch, sequence, width]. */
  readonly value: string;
  readonly width: number;
  readonly prefix: Model;
  readonly rest: Model;
  /** Part of the training graph's weight products that the rest need not compute, 0 to 1. */
  readonly share: number;
}

/**
 * Cuts a training graph at the one activation that leaves the least work to the rest. `changing` are the inputs that are not the same
 * for an example in every epoch: parameters, labels, dropout masks. Undefined where nothing can be saved, or where the batch's inputs
 * are not all [batch, sequence].
 */
export function splitPrefix(
  training: Model,
  types: ValueTypes,
  batchInputs: readonly ValueInfo[],
  changing: ReadonlySet<string>,
): PrefixSplit | undefined {
  const axes = commonAxes(batchInputs);
  if (axes === undefined) return undefined;
  const { nodes, initializers } = training.graph;
  const varies = new Set(changing);
  const producer = new Map<string, Node>();
  const read = new Set(nodes.flatMap(readBy));
  const work = new Map<Node, number>();
  for (const node of nodes) {
    if (node.inputs.some((input) => varies.has(input))) for (const output of node.outputs) varies.add(output);
    for (const output of node.outputs) if (output !== '') producer.set(output, node);
    const matrix = node.inputs
      .map((input) => initializers.get(input))
      .find((value) => value !== undefined && isMatrix(value.dims));
    work.set(
      node,
      matrix === undefined || !isProduct(node) ? 0 : matrixDims(node, matrix).reduce((a, b) => a * b, 1),
    );
  }
  const total = [...work.values()].reduce((sum, each) => sum + each, 0);
  const outputs = training.graph.outputs.map(({ name }) => name);
  let best: { readonly value: string; readonly width: number; readonly left: number } | undefined;
  for (const [value, node] of producer) {
    if (varies.has(value) || node.outputs.some((other) => other !== value && read.has(other))) continue;
    const width = widthOf(value, types, axes);
    if (width === undefined) continue;
    let left = 0;
    for (const needed of neededNodes(producer, outputs, value)) left += work.get(needed) ?? 0;
    if (best === undefined || left < best.left || (left === best.left && width < best.width))
      best = { value, width, left };
  }
  if (best === undefined || best.left >= total) return undefined;
  const { value, width, left } = best;
  const info: ValueInfo = { name: value, type: 'float', dims: [...axes, width] };
  return {
    value,
    width,
    prefix: pruneTo(training, [info]),
    rest: cutAt(training, info),
    share: 1 - left / total,
  };
}

/** A graph that takes one of its values as an input, without what it was computed from. */
function cutAt(model: Model, value: ValueInfo): Model {
  const { nodes, inputs, outputs } = model.graph;
  const cut = nodes.filter((node) => !node.outputs.includes(value.name));
  return pruneTo({ ...model, graph: { ...model.graph, nodes: cut, inputs: [...inputs, value] } }, outputs);
}

/** The forward graph of the same model with the prefix's result as an input. */
export function forwardRest(forward: Model, { value, rest }: Pick<PrefixSplit, 'value' | 'rest'>): Model {
  const info = rest.graph.inputs.find(({ name }) => name === value);
  return info === undefined ? forward : cutAt(forward, info);
}

const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'FusedMatMul', 'MatMulNBits']);
const isProduct = (node: Node): boolean => PRODUCTS.has(node.op);
/** Also the three-dimensional blocks of quantized matrices. */
const isMatrix = (dims: readonly number[]): boolean => dims.length >= 2;

/** The names of the batch and the sequence dimension, where all inputs have just these. */
function commonAxes(inputs: readonly ValueInfo[]): readonly [string, string] | undefined {
  const all = inputs.map(({ name, dims }) => dims.map((dim, axis) => dimensionKey(name, dim, axis)));
  const [batch, sequence] = all[0] ?? [];
  const named = inputs.every(({ dims }) => dims.length === 2 && dims.every((dim) => typeof dim === 'string'));
  if (batch === undefined || sequence === undefined || !named) return undefined;
  return all.every((keys) => keys[0] === batch && keys[1] === sequence) ? [batch, sequence] : undefined;
}

/** Of a value of the forward graph that is [batch, sequence, a number]; gradients are not known to `types` and are none. */
function widthOf(
  value: string,
  types: ValueTypes,
  [batch, sequence]: readonly [string, string],
): number | undefined {
  if (!types.has(value) || types.type(value) !== 'float') return undefined;
  const [first, second, width, ...more] = types.dims(value);
  return first === batch && second === sequence && typeof width === 'number' && more.length === 0
    ? width
    : undefined;
}

/** Nodes that the outputs need when one value is given. */
function neededNodes(
  producer: ReadonlyMap<string, Node>,
  outputs: readonly string[],
  given: string,
): Set<Node> {
  const needed = new Set<Node>();
  const open = [...outputs];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (name === given) continue;
    const node = producer.get(name);
    if (node === undefined || needed.has(node)) continue;
    needed.add(node);
    open.push(...node.inputs);
  }
  return needed;
}
