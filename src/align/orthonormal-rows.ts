import type { Kernels } from './kernels.js';
import { combineRows } from './row-factors.js';
import { symmetricEigen, type SmallMatrix } from './small-matrix.js';
import { toFloat32 } from './to-float32.js';

/** Orthonormal rows, count × n. */
export interface OrthonormalRows {
  readonly rows: Float32Array;
  readonly count: number;
}

/** Directions with less than this share of the squared length of their like are what rounding left of dependent rows. */
const DEPENDENT = 1e-7;

/** Whitening loses orthogonality with the spread of the eigenvalues: beyond this it is done again. */
const SPREAD = 0.5;

/**
 * An orthonormal basis of the span of X's rows (count × n), each row counted as equally important: rows are brought to length 1,
 * then whitened by the eigenvectors of their Gram matrix. Rows that are zero or depend on others fall out.
 */
export function orthonormalRows(
  kernels: Kernels,
  x: Float64Array,
  count: number,
  n: number,
): OrthonormalRows {
  const { rows, count: kept } = unitRows(x, count, n);
  return whiten(kernels, rows, kept, n, 4);
}

function unitRows(x: Float64Array, count: number, n: number): OrthonormalRows {
  const rows: Float32Array[] = [];
  for (let row = 0; row < count; row++) {
    const values = x.subarray(row * n, (row + 1) * n);
    const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    if (largest === 0) continue;
    const length = Math.sqrt(values.reduce((sum, value) => sum + (value / largest) ** 2, 0));
    rows.push(toFloat32(values, (value) => value / largest / length));
  }
  const result = new Float32Array(rows.length * n);
  rows.forEach((row, i) => result.set(row, i * n));
  return { rows: result, count: rows.length };
}

function whiten(
  kernels: Kernels,
  rows: Float32Array,
  count: number,
  n: number,
  attempts: number,
): OrthonormalRows {
  if (count === 0) return { rows, count };
  const { values, vectors } = symmetricEigen(kernels.gram(rows, count, rows, count, n), count);
  const kept = values.filter((value) => value > DEPENDENT * values[0]!).length;
  const c: SmallMatrix = Float64Array.from(
    { length: count * kept },
    (_, at) => vectors[Math.floor(at / kept) * count + (at % kept)]! / Math.sqrt(values[at % kept]!),
  );
  const white = Float32Array.from(combineRows(kernels, c, kept, rows, count, n));
  const again = attempts > 1 && values[kept - 1]! < SPREAD * values[0]!;
  return again ? whiten(kernels, white, kept, n, attempts - 1) : { rows: white, count: kept };
}
