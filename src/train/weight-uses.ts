import { elementTypeOf } from './ir/element-type.js';
import type { ElementType, Model, Node, TensorValue } from './ir/graph.js';

/** How a node multiplies by a weight: which input the activations come in by, and how the matrix lies for it. */
export interface WeightUse {
  readonly node: Node;
  readonly activation: string;
  /** True where the node reads the activations transposed. */
  readonly transposed: boolean;
  /** True where the node multiplies by the transpose of what lies in the initializer: it lies out × in. */
  readonly outIn: boolean;
  /** The node's own factor (attribute alpha of Gemm and FusedMatMul). */
  readonly alpha: number;
  readonly type: ElementType;
}

/** A node that reads the weight otherwise than as the right operand of a product. */
export interface OtherUse {
  readonly node: Node;
  readonly input: number;
}

/** Ops that hand a weight on, and whether they transpose it. */
const HANDS_ON: Readonly<Record<string, boolean>> = { Identity: false, Cast: false, Transpose: true };

/** Ops that multiply input 0 by input 1; attributes transA, transB and alpha say how. */
const MULTIPLIES: ReadonlySet<string> = new Set(['MatMul', 'Gemm', 'FusedMatMul']);

export function numberOf(node: Node, name: string, otherwise: number): number {
  const attribute = node.attributes[name];
  return attribute?.kind === 'int' || attribute?.kind === 'float' ? attribute.value : otherwise;
}

/** com.microsoft MatMulNBits: the weight is [out, blocks, bytes] of uint8. */
export function isQuantizedProduct(node: Node): boolean {
  return node.op === 'MatMulNBits' && node.domain === 'com.microsoft';
}

/** Rows (out) and columns (in) of the matrix that a product multiplies by, as it lies: quantized ones by their attributes. */
export function matrixDims(node: Node, tensor: TensorValue): readonly number[] {
  return isQuantizedProduct(node) ? [numberOf(node, 'N', 0), numberOf(node, 'K', 0)] : tensor.dims;
}

/** Nodes by the values they read. */
export function readersOf(model: Model): ReadonlyMap<string, readonly Node[]> {
  const readers = new Map<string, Node[]>();
  for (const node of model.graph.nodes)
    for (const input of new Set(node.inputs)) {
      if (input === '') continue;
      const known = readers.get(input);
      if (known === undefined) readers.set(input, [node]);
      else known.push(node);
    }
  return readers;
}

/** Every node that uses the initializer, directly or through Cast, Transpose or Identity. */
export function usesOfWeight(
  readers: ReadonlyMap<string, readonly Node[]>,
  initializer: string,
  weightType: ElementType,
): { readonly products: readonly WeightUse[]; readonly others: readonly OtherUse[] } {
  const products: WeightUse[] = [];
  const others: OtherUse[] = [];
  const follow = (value: string, flipped: boolean, type: ElementType): void => {
    for (const node of readers.get(value) ?? []) {
      const at = node.inputs.indexOf(value);
      const swaps = HANDS_ON[node.op];
      if (swaps !== undefined && node.domain === '')
        follow(
          node.outputs[0] ?? '',
          flipped !== swaps,
          node.op === 'Cast' ? elementTypeOf(numberOf(node, 'to', 0), `Cast node "${node.name}"`) : type,
        );
      else if (MULTIPLIES.has(node.op) && at === 1)
        products.push({
          node,
          activation: node.inputs[0] ?? '',
          transposed: numberOf(node, 'transA', 0) === 1,
          outIn: (numberOf(node, 'transB', 0) === 1) !== flipped,
          alpha: numberOf(node, 'alpha', 1),
          type,
        });
      else if (isQuantizedProduct(node) && at === 1)
        // Its blocks lie by output; the activations are float32 whatever the blocks are.
        products.push({
          node,
          activation: node.inputs[0] ?? '',
          transposed: false,
          outIn: true,
          alpha: 1,
          type: 'float',
        });
      else others.push({ node, input: at });
    }
  };
  follow(initializer, false, weightType);
  return { products, others };
}
