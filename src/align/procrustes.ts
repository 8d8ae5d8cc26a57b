import { polarFactor } from './polar.js';
import { identity, multiply, orientation, svd, transpose, type SmallMatrix } from './small-matrix.js';

/** SO: rotations. O: rotations and reflections. */
export type Group = 'SO' | 'O';

/** Flips the sign of a column of X (r × r), in place. */
function flipColumn(x: SmallMatrix, r: number, column: number): void {
  for (let row = 0; row < r; row++) x[row * r + column]! *= -1;
}

/** Columns `from` to r of X (r × r), as r × (r − from). */
function lastColumns(x: SmallMatrix, r: number, from: number): SmallMatrix {
  const width = r - from;
  return Float64Array.from(
    { length: r * width },
    (_, i) => x[Math.floor(i / width) * r + from + (i % width)]!,
  );
}

/**
 * The orthogonal Procrustes problem (Schönemann 1966; in SO: Kabsch, Umeyama 1991): R (r × r) in the group with the largest
 * tr(Rᵀ M). With M = A_i Āᵀ it minimises ‖Rᵀ A_i − Ā‖_F, with M = B_iᵀ B̄ it minimises ‖B_i R − B̄‖_F (arXiv 2602.23638).
 * In SO, where U Vᵀ is a reflection, the direction of the least singular value is flipped.
 *
 * In the common case that is M's polar factor; what follows is for reflections and for an M that is nearly singular.
 * Singular values of at most `tolerance` count as zero: in their directions M says nothing, and R is the nearest to I that
 * the others leave free. So M = 0 gives I. M must be finite.
 */
export function nearestOrthogonal(m: SmallMatrix, r: number, group: Group, tolerance: number): SmallMatrix {
  const polar = polarFactor(m, r, tolerance);
  if (polar && (group === 'O' || polar.orientation > 0)) return polar.q;
  const { u, sigma, v } = svd(m, r);
  const rank = sigma.filter((value) => value > tolerance).length;
  if (rank === 0) return identity(r);
  const free = freeDirections(u, v, r, rank);
  const left = joinColumns(u, free.u, r, rank);
  const right = joinColumns(v, free.v, r, rank);
  const rightT = transpose(right, r, r);
  const result = multiply(left, rightT, r, r, r);
  if (group === 'O' || orientation(result, r) > 0) return result;
  flipColumn(left, r, r - 1);
  return multiply(left, rightT, r, r, r);
}

/**
 * In the null space U₀, V₀ of M, R acts as U₀ W V₀ᵀ with any orthogonal W; nearest to I is the polar factor W = P Qᵀ of
 * U₀ᵀ V₀ = P Σ Qᵀ. Returns U₀ P and V₀ Q, so that their last columns are again the cheapest to flip.
 */
function freeDirections(
  u: SmallMatrix,
  v: SmallMatrix,
  r: number,
  rank: number,
): { u: SmallMatrix; v: SmallMatrix } {
  const width = r - rank;
  const u0 = lastColumns(u, r, rank);
  const v0 = lastColumns(v, r, rank);
  if (width === 0) return { u: u0, v: v0 };
  const overlap = svd(multiply(transpose(u0, r, width), v0, width, r, width), width);
  return { u: multiply(u0, overlap.u, r, width, width), v: multiply(v0, overlap.v, r, width, width) };
}

/** X with its columns from `rank` on replaced. */
function joinColumns(x: SmallMatrix, replacement: SmallMatrix, r: number, rank: number): SmallMatrix {
  const width = r - rank;
  return x.map((value, i) => {
    const column = i % r;
    return column < rank ? value : replacement[Math.floor(i / r) * width + column - rank]!;
  });
}

/**
 * R_λ: the orthogonal polar factor of (1 − λ) I + λ R, for a rotation R and λ from 0 (gives I) to 1 (gives R). Where it is
 * singular (λ = ½ and R turns a plane by π) that plane is left as it is.
 */
export function softRotation(rotation: SmallMatrix, r: number, lambda: number): SmallMatrix {
  if (lambda === 0) return identity(r);
  if (lambda === 1) return rotation;
  const blend = rotation.map((value, i) => lambda * value + (i % (r + 1) === 0 ? 1 - lambda : 0));
  return nearestOrthogonal(blend, r, 'SO', 1e-12);
}
