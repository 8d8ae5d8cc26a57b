import { fastKernels } from './fast-kernels.js';
import type { Kernels } from './kernels.js';
import { multiply, svd, symmetricEigen, transpose, type SmallMatrix } from './small-matrix.js';

/** Directions with less than this share of the largest eigenvalue of a Gram matrix are rounding, not part of the space. */
const DEPENDENT = 1e-12;

/** W (r × rank) with Wᵀ X orthonormal rows, from X Xᵀ. */
function whitening(gram: SmallMatrix, r: number): { w: SmallMatrix; rank: number } {
  const { values, vectors } = symmetricEigen(gram, r);
  const rank = values.filter((value) => value > 0 && value > DEPENDENT * values[0]!).length;
  const w = Float64Array.from({ length: r * rank }, (_, at) => {
    const column = at % rank;
    return vectors[Math.floor(at / rank) * r + column]! / Math.sqrt(values[column]!);
  });
  return { w, rank };
}

/**
 * Cosines of the principal angles between the row spaces of X and Y, both of r rows, from X Xᵀ, Y Yᵀ and X Yᵀ (Björck & Golub
 * 1973), in falling order; as many as the smaller space has dimensions, none where one is zero.
 */
export function principalCosines(
  gramX: SmallMatrix,
  gramY: SmallMatrix,
  cross: SmallMatrix,
  r: number,
): readonly number[] {
  const x = whitening(gramX, r);
  const y = whitening(gramY, r);
  const count = Math.min(x.rank, y.rank);
  if (count === 0) return [];
  const half = multiply(transpose(x.w, r, x.rank), cross, x.rank, r, r);
  const overlap = multiply(half, y.w, x.rank, r, y.rank);
  const square = new Float64Array(r * r); // filled up with zeros
  for (let i = 0; i < x.rank; i++)
    for (let j = 0; j < y.rank; j++) square[i * r + j] = overlap[i * y.rank + j]!;
  return svd(square, r).sigma.slice(0, count);
}

/** In radians, 0 to π/2. */
export const angleFromCosine = (cosine: number): number => Math.acos(Math.min(1, Math.max(0, cosine)));

/** All principal angles between the row spaces of X and Y (r × n), in rising order, in radians. */
export function principalAngles(
  x: Float32Array,
  y: Float32Array,
  r: number,
  n: number,
  kernels: Kernels = fastKernels(),
): number[] {
  const gram = (p: Float32Array, q: Float32Array): SmallMatrix => kernels.gram(p, r, q, r, n);
  return principalCosines(gram(x, x), gram(y, y), gram(x, y), r).map(angleFromCosine);
}
