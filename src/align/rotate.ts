import { fastKernels } from './fast-kernels.js';
import { nearestOrthogonal, softRotation } from './procrustes.js';
import { fromRows, sumOf, toRows, type RowFactors } from './row-factors.js';
import type { SmallMatrix } from './small-matrix.js';
import type { Factors } from './types.js';

/** Which factor the alignment looks at. */
export type Side = 'a' | 'b';

/** M of a silo against the reference, and how large it could be: r × r, and ‖X_i‖_F · ‖X̄‖_F. */
export interface CrossGram {
  readonly m: SmallMatrix;
  readonly scale: number;
}

/** Factors are float32: what is smaller than this share of their norms is rounding, and says nothing about a direction. */
export const NOISE = 2 ** -24;

/** R from the cross-Gram of one silo; directions that M leaves open stay as near to I as they can. */
export function rotationOf({ m, scale }: CrossGram, r: number, reflections: boolean): SmallMatrix {
  return nearestOrthogonal(m, r, reflections ? 'O' : 'SO', NOISE * scale);
}

export const rowsOf = (factors: RowFactors, side: Side): { x: Float32Array; n: number } =>
  side === 'a' ? { x: factors.a, n: factors.in } : { x: factors.bt, n: factors.out };

export function norm(x: Float32Array | Float64Array): number {
  // Four sums, because each addition has to wait for the one before.
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = x.length - (x.length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += x[i]! * x[i]!;
    s1 += x[i + 1]! * x[i + 1]!;
    s2 += x[i + 2]! * x[i + 2]!;
    s3 += x[i + 3]! * x[i + 3]!;
  }
  for (let i = whole; i < x.length; i++) s0 += x[i]! * x[i]!;
  return Math.sqrt(s0 + s1 + (s2 + s3));
}

/** M = A_i Āᵀ (side a) or B_iᵀ B̄ (side b). */
export function crossGram(
  factors: RowFactors,
  reference: RowFactors,
  side: Side,
  kernels = fastKernels(),
): CrossGram {
  const { x, n } = rowsOf(factors, side);
  const { x: y } = rowsOf(reference, side);
  return { m: kernels.gram(x, factors.r, y, reference.r, n), scale: norm(x) * norm(y) };
}

/**
 * The rotation that takes a silo's factors towards the reference (arXiv 2602.23638): with reflections the hard form
 * over O(r), else R_λ within SO(r), λ from 0 (I) to 1 (hard). It needs nothing but the silo's own factors and the published ones.
 */
export function rotationTo(
  factors: Factors,
  reference: Factors,
  options: { readonly side: Side; readonly lambda: number; readonly reflections?: boolean },
): SmallMatrix {
  const gram = crossGram(toRows(factors), toRows(reference), options.side);
  const hard = rotationOf(gram, factors.r, options.reflections ?? false);
  return options.reflections ? hard : softRotation(hard, factors.r, options.lambda);
}

/** A ← Rᵀ A, B ← B R for an orthogonal R (r × r): B · A is the same. Computed in float64, rounded to float32 once. */
export function rotateFactors(factors: Factors, rotation: SmallMatrix): Factors {
  const rows = toRows(factors);
  const rotated = sumOf(fastKernels(), rows, (sum) => {
    sum.add(1, rotation, rows);
  });
  return fromRows(rotated);
}
