import { firstColumns, multiply, symmetricEigen, transpose, type SmallMatrix } from './small-matrix.js';

/** The singular values of a product ΔW = Σ p_i B_i A_i, and how its left singular vectors are made of the rows of B_iᵀ. */
export interface ProductSpectrum {
  /** σ_j², in falling order; those that are missing are zero (or rounding). */
  readonly squares: Float64Array;
  /** C (m × count): the rows of Cᵀ Bᵀ, for the stacked Bᵀ, are σ_j u_j for the first singular vectors. */
  leftCombinations(count: number): SmallMatrix;
}

/**
 * The singular value decomposition of ΔW = Σ_j w_j y_jᵀ x_j, m terms of rank 1, from the Gram matrices of the stacked rows x
 * (of A) and y (of Bᵀ); d × k is never formed. With X = L Q (Cholesky of the Gram matrix, pivoted, so that dependent rows drop
 * out) the squares are the eigenvalues of Lᵀ (Y Yᵀ) L. Each term is scaled first so that x_j and y_j are equally long: then what
 * float64 drops is small against the product, however unbalanced the factors. w_j ≥ 0.
 */
export function productSpectrum(
  gramX: SmallMatrix,
  gramY: SmallMatrix,
  termWeights: ArrayLike<number>,
): ProductSpectrum {
  const m = termWeights.length;
  const { left, right } = balance(gramX, gramY, termWeights);
  const { l, rank } = pivotedCholesky(scaleBoth(gramX, right, m), m);
  const s = multiply(
    transpose(l, m, rank),
    multiply(scaleBoth(gramY, left, m), l, m, m, rank),
    rank,
    m,
    rank,
  );
  const { values, vectors } = symmetricEigen(symmetric(s, rank), rank);
  return {
    squares: values.map((value) => Math.max(0, value)),
    leftCombinations(count) {
      const kept = Math.min(count, rank);
      const combination = multiply(l, firstColumns(vectors, rank, rank, kept), m, rank, kept);
      return combination.map((value, at) => value * left[Math.floor(at / kept)]!);
    },
  };
}

/** √w t and √w / t for each term, with t = √(‖y‖ / ‖x‖); zeros for a term that is zero. */
function balance(
  gramX: SmallMatrix,
  gramY: SmallMatrix,
  weights: ArrayLike<number>,
): { left: Float64Array; right: Float64Array } {
  const m = weights.length;
  const left = new Float64Array(m);
  const right = new Float64Array(m);
  for (let j = 0; j < m; j++) {
    const x = gramX[j * m + j]!;
    const y = gramY[j * m + j]!;
    if (x === 0 || y === 0) continue;
    const t = Math.sqrt(Math.sqrt(y) / Math.sqrt(x));
    right[j] = Math.sqrt(weights[j]!) * t;
    left[j] = Math.sqrt(weights[j]!) / t;
  }
  return { left, right };
}

const scaleBoth = (gram: SmallMatrix, by: Float64Array, m: number): SmallMatrix =>
  gram.map((value, at) => value * by[Math.floor(at / m)]! * by[at % m]!);

const symmetric = (x: SmallMatrix, n: number): SmallMatrix =>
  x.map((value, at) => (value + x[(at % n) * n + Math.floor(at / n)]!) / 2);

/**
 * G = L Lᵀ for a positive semidefinite G (m × m); L is m × rank. The largest remaining diagonal element comes first, until what
 * remains is rounding (Higham 2002, section 10.3).
 */
export function pivotedCholesky(gram: SmallMatrix, m: number): { l: SmallMatrix; rank: number } {
  const rest = Float64Array.from({ length: m }, (_, i) => gram[i * m + i]!);
  const tolerance = m * 2 ** -53 * rest.reduce((max, value) => Math.max(max, value), 0);
  const columns: Float64Array[] = [];
  while (columns.length < m) {
    const pivot = rest.reduce((best, value, i) => (value > rest[best]! ? i : best), 0);
    if (!(rest[pivot]! > tolerance)) break;
    const root = Math.sqrt(rest[pivot]!);
    const column = new Float64Array(m);
    for (let i = 0; i < m; i++) column[i] = gram[i * m + pivot]!;
    for (const known of columns) {
      const factor = known[pivot]!;
      for (let i = 0; i < m; i++) column[i]! -= factor * known[i]!;
    }
    for (let i = 0; i < m; i++) {
      column[i]! /= root;
      rest[i]! -= column[i]! ** 2;
    }
    rest[pivot] = -1; // done
    columns.push(column);
  }
  const rank = columns.length;
  const l = Float64Array.from({ length: m * rank }, (_, at) => columns[at % rank]![Math.floor(at / rank)]!);
  return { l, rank };
}
