import type { Model, Node } from './ir/graph.js';
import { numberOf } from './weight-uses.js';
import type { ValueTypes } from './shapes/extent.js';

/** Logits that are a frozen matrix's product with hidden states, and perhaps a frozen bias. */
export interface FrozenHead {
  /** Hidden states [..., in]; their rows are those of the logits, in the same order. */
  readonly x: string;
  /** Initializer, out × in where `outIn`, else in × out. */
  readonly weight: string;
  readonly outIn: boolean;
  readonly in: number;
  readonly classes: number;
  /** Initializer [classes]. */
  readonly bias?: string;
}

/**
 * How logits are made, looked for backwards through Identity and Reshape. Undefined where anything else (a soft cap, LoRA, a trained or
 * quantized head) lies between the product and them.
 */
export function frozenHead(model: Model, types: ValueTypes, logits: string): FrozenHead | undefined {
  const { initializers, nodes } = model.graph;
  const producer = new Map(nodes.flatMap((node) => node.outputs.map((output) => [output, node] as const)));
  const classes = types.dims(logits).at(-1);
  if (typeof classes !== 'number') return undefined;
  let value = logits;
  let bias: string | undefined;
  const isBias = (name: string): boolean => initializers.get(name)?.dims.join() === String(classes);
  for (;;) {
    const node = producer.get(value);
    if (node === undefined || types.dims(value).at(-1) !== classes) return undefined;
    const [first = '', second = '', third = ''] = node.inputs;
    if (node.domain === '' && (node.op === 'Identity' || node.op === 'Reshape')) value = first;
    else if (node.domain === '' && node.op === 'Add' && bias === undefined) {
      const at = isBias(second) ? 1 : isBias(first) ? 0 : undefined;
      if (at === undefined) return undefined;
      bias = node.inputs[at] ?? '';
      value = at === 1 ? first : second;
    } else {
      const product = productOf(model, producer, node);
      if (product === undefined) return undefined;
      const own = node.op === 'Gemm' ? third : '';
      if (own !== '' && (bias !== undefined || !isBias(own) || numberOf(node, 'beta', 1) !== 1))
        return undefined;
      const found = bias ?? (own === '' ? undefined : own);
      const size = types.dims(first).at(-1);
      if (typeof size !== 'number') return undefined;
      return { x: first, ...product, in: size, classes, ...(found === undefined ? {} : { bias: found }) };
    }
  }
}

/** The matrix that a node multiplies its rows by; undefined for other nodes. */
function productOf(
  { graph: { initializers } }: Model,
  producer: ReadonlyMap<string, Node>,
  node: Node,
): { readonly weight: string; readonly outIn: boolean } | undefined {
  const plain = node.domain === '' ? ['MatMul', 'Gemm'] : ['FusedMatMul'];
  if (!plain.includes(node.op) || numberOf(node, 'transA', 0) !== 0 || numberOf(node, 'alpha', 1) !== 1)
    return undefined;
  if (numberOf(node, 'transBatchA', 0) !== 0 || numberOf(node, 'transBatchB', 0) !== 0) return undefined;
  const right = node.inputs[1] ?? '';
  const turned = producer.get(right);
  const isTurned = turned?.op === 'Transpose' && turned.domain === '';
  const weight = isTurned ? (turned.inputs[0] ?? '') : right;
  if (initializers.get(weight)?.dims.length !== 2) return undefined;
  return { weight, outIn: (numberOf(node, 'transB', 0) === 1) !== isTurned };
}
