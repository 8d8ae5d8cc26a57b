import { fastKernels } from './fast-kernels.js';
import type { SmallMatrix } from './small-matrix.js';
import type { Kernels } from './kernels.js';
import type { Factors } from './types.js';

/** Factors with both as rows: A (r × in) and Bᵀ (r × out). A rotation R takes them to Rᵀ A and Rᵀ Bᵀ = (B R)ᵀ. */
export interface RowFactors {
  readonly r: number;
  readonly in: number;
  readonly out: number;
  readonly a: Float32Array;
  readonly bt: Float32Array;
}

/** Float64 sums of row factors, the same layout. */
export interface FactorSums {
  readonly a: Float64Array;
  readonly bt: Float64Array;
}

/** Xᵀ of X (rows × columns), row-major. */
export const transposed = (x: Float32Array, rows: number, columns: number): Float32Array =>
  fastKernels().transpose(x, rows, columns);

export function toRows({ a, b, r, in: inputs, out }: Factors): RowFactors {
  return { r, in: inputs, out, a, bt: transposed(b, out, r) };
}

export function fromRows({ a, bt, r, in: inputs, out }: RowFactors): Factors {
  return { r, in: inputs, out, a, b: transposed(bt, r, out) };
}

export function emptySums({ r, in: inputs, out }: Pick<RowFactors, 'r' | 'in' | 'out'>): FactorSums {
  return { a: new Float64Array(r * inputs), bt: new Float64Array(r * out) };
}

/** sums += weight · (Rᵀ A, Rᵀ Bᵀ); R undefined is I. */
export function addRotated(
  kernels: Kernels,
  sums: FactorSums,
  weight: number,
  rotation: SmallMatrix | undefined,
  factors: RowFactors,
): void {
  const { r, in: inputs, out, a, bt } = factors;
  if (rotation) {
    kernels.addRotated(sums.a, weight, rotation, r, a, inputs);
    kernels.addRotated(sums.bt, weight, rotation, r, bt, out);
  } else {
    kernels.add(sums.a, weight, a);
    kernels.add(sums.bt, weight, bt);
  }
}

/** Sums rounded to float32. */
export function roundSums(sums: FactorSums, shape: Pick<RowFactors, 'r' | 'in' | 'out'>): RowFactors {
  const { r, in: inputs, out } = shape;
  return { r, in: inputs, out, a: Float32Array.from(sums.a), bt: Float32Array.from(sums.bt) };
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
