import {
  determinant,
  EigenvalueDecomposition,
  Matrix,
  QrDecomposition,
  SingularValueDecomposition,
} from 'ml-matrix';

/** Row-major float64: for the r × r algebra, never for the long dimension. */
export type SmallMatrix = Float64Array;

export function identity(r: number): SmallMatrix {
  const result = new Float64Array(r * r);
  for (let i = 0; i < r; i++) result[i * r + i] = 1;
  return result;
}

/** X (m × n) · Y (n × p). */
export function multiply(x: SmallMatrix, y: SmallMatrix, m: number, n: number, p: number): SmallMatrix {
  const result = new Float64Array(m * p);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < n; j++) {
      const xij = x[i * n + j]!;
      for (let l = 0; l < p; l++) result[i * p + l]! += xij * y[j * p + l]!;
    }
  return result;
}

/** Xᵀ of X (m × n). */
export function transpose(x: SmallMatrix, m: number, n: number): SmallMatrix {
  const result = new Float64Array(m * n);
  for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) result[j * m + i] = x[i * n + j]!;
  return result;
}

/** Σ x ∘ y: the trace of X Yᵀ. */
export function innerProduct(x: SmallMatrix, y: SmallMatrix): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * y[i]!;
  return sum;
}

/** ‖X − I‖_F. */
export function distanceFromIdentity(x: SmallMatrix, r: number): number {
  let sum = 0;
  for (let i = 0; i < r; i++) for (let j = 0; j < r; j++) sum += (x[i * r + j]! - (i === j ? 1 : 0)) ** 2;
  return Math.sqrt(sum);
}

const asMatrix = (x: SmallMatrix, rows: number, columns: number): Matrix =>
  Matrix.from1DArray(rows, columns, x);

const asSmall = (x: Matrix): SmallMatrix => Float64Array.from(x.to1DArray());

export interface Svd {
  /** n × n, left singular vectors in its columns. */
  readonly u: SmallMatrix;
  /** In falling order. */
  readonly sigma: readonly number[];
  /** n × n, right singular vectors in its columns. */
  readonly v: SmallMatrix;
}

/** Elements so much smaller than the largest are nothing to a float64 SVD; but subnormal ones make ml-matrix lose orthogonality. */
const NEGLIGIBLE = 1e-30;

/** X = U Σ Vᵀ for a square X of any finite scale; all zeros give U = V = I. */
export function svd(x: SmallMatrix, n: number): Svd {
  const scale = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (scale === 0) return { u: identity(n), sigma: new Array<number>(n).fill(0), v: identity(n) };
  const scaled = x.map((value) => (Math.abs(value) > NEGLIGIBLE * scale ? value / scale : 0));
  const result = new SingularValueDecomposition(asMatrix(scaled, n, n));
  return {
    u: asSmall(result.leftSingularVectors),
    sigma: result.diagonal.map((value) => value * scale),
    v: asSmall(result.rightSingularVectors),
  };
}

export interface SymmetricEigen {
  /** In falling order. */
  readonly values: Float64Array;
  /** n × n, eigenvectors in its columns. */
  readonly vectors: SmallMatrix;
}

/** X = Q diag(values) Qᵀ for a symmetric X of any finite scale; all zeros give Q = I. */
export function symmetricEigen(x: SmallMatrix, n: number): SymmetricEigen {
  const scale = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (scale === 0) return { values: new Float64Array(n), vectors: identity(n) };
  const scaled = x.map((value) => (Math.abs(value) > NEGLIGIBLE * scale ? value / scale : 0));
  const result = new EigenvalueDecomposition(asMatrix(scaled, n, n), { assumeSymmetric: true });
  const rising = result.realEigenvalues;
  const order = rising.map((_, i) => i).sort((i, j) => rising[j]! - rising[i]!);
  const q = result.eigenvectorMatrix;
  return {
    values: Float64Array.from(order, (i) => rising[i]! * scale),
    vectors: Float64Array.from({ length: n * n }, (_, at) => q.get(Math.floor(at / n), order[at % n]!)),
  };
}

/** The first columns of X (rows × columns). */
export function firstColumns(x: SmallMatrix, rows: number, columns: number, count: number): SmallMatrix {
  return Float64Array.from(
    { length: rows * count },
    (_, at) => x[Math.floor(at / count) * columns + (at % count)]!,
  );
}

/** The sign of an orthogonal matrix's determinant, +1 or −1. */
export function orientation(x: SmallMatrix, r: number): 1 | -1 {
  return determinant(asMatrix(x, r, r)) < 0 ? -1 : 1;
}

/** Q of X = Q R with a positive diagonal of R, which makes it unique. X (r × r) of full rank. */
export function orthonormalize(x: SmallMatrix, r: number): SmallMatrix {
  const qr = new QrDecomposition(asMatrix(x, r, r));
  const q = qr.orthogonalMatrix;
  const upper = qr.upperTriangularMatrix;
  for (let column = 0; column < r; column++) if (upper.get(column, column) < 0) q.mulColumn(column, -1);
  return asSmall(q);
}
