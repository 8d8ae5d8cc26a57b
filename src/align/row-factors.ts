import { fastKernels } from './fast-kernels.js';
import type { SmallMatrix } from './small-matrix.js';
import type { Kernels, RotatedSum } from './kernels.js';
import type { Factors } from './types.js';

/** Factors with both as rows: A (r × in) and Bᵀ (r × out). A rotation R takes them to Rᵀ A and Rᵀ Bᵀ = (B R)ᵀ. */
export interface RowFactors {
  readonly r: number;
  readonly in: number;
  readonly out: number;
  readonly a: Float32Array;
  readonly bt: Float32Array;
}

/** Xᵀ of X (rows × columns), row-major. */
export const transposed = (
  x: Float32Array,
  rows: number,
  columns: number,
  into?: Float32Array,
): Float32Array => fastKernels().transpose(x, rows, columns, into);

export function toRows({ a, b, r, in: inputs, out }: Factors): RowFactors {
  return { r, in: inputs, out, a, bt: transposed(b, out, r) };
}

export function fromRows({ a, bt, r, in: inputs, out }: RowFactors): Factors {
  return { r, in: inputs, out, a, b: transposed(bt, r, out) };
}

/** Σ weight · (Rᵀ A, Rᵀ Bᵀ), in float64 where the kernels work; ended by whoever began it. */
export class FactorSums {
  readonly #shape: Shape;
  readonly #a: RotatedSum;
  readonly #bt: RotatedSum;

  constructor(kernels: Kernels, { r, in: inputs, out }: Shape) {
    this.#shape = { r, in: inputs, out };
    this.#a = kernels.rotatedSum(r, inputs);
    this.#bt = kernels.rotatedSum(r, out);
  }

  /** R undefined is I. */
  add(weight: number, rotation: SmallMatrix | undefined, { a, bt }: RowFactors): void {
    this.#a.add(weight, rotation, a);
    this.#bt.add(weight, rotation, bt);
  }

  /** In float32. */
  rounded(): RowFactors {
    return { ...this.#shape, a: this.#a.rounded(), bt: this.#bt.rounded() };
  }

  end(): void {
    this.#bt.end();
    this.#a.end();
  }
}

type Shape = Pick<RowFactors, 'r' | 'in' | 'out'>;

/** What `add` adds up, rounded to float32. */
export function sumOf(kernels: Kernels, shape: Shape, add: (sums: FactorSums) => void): RowFactors {
  const sums = new FactorSums(kernels, shape);
  try {
    add(sums);
    return sums.rounded();
  } finally {
    sums.end();
  }
}

/** ⟨B A, B' A'⟩ = tr((Bᵀ B')(A' Aᵀ)), whatever the two ranks. */
export function productOverlap(kernels: Kernels, x: RowFactors, y: RowFactors): number {
  const b = kernels.gram(x.bt, x.r, y.bt, y.r, x.out);
  const a = kernels.gram(x.a, x.r, y.a, y.r, x.in);
  return b.reduce((sum, value, i) => sum + value * a[i]!, 0);
}

/** Cᵀ X for C (rows × count) and X (rows × n), in float64. */
export function combineRows(
  kernels: Kernels,
  c: SmallMatrix,
  count: number,
  x: Float32Array,
  rows: number,
  n: number,
): Float64Array {
  const result = new Float64Array(count * n);
  if (count > 0 && rows > 0) kernels.addProduct(result, 1, c, count, x, rows, n);
  return result;
}
