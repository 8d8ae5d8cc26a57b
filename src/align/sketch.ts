import type { Random } from '../random.js';
import type { Kernels } from './kernels.js';
import type { ModuleData } from './module-data.js';
import { orthonormalRows } from './orthonormal-rows.js';
import { combineRows, type RowFactors } from './row-factors.js';
import { firstColumns, innerProduct, symmetricEigen, type SmallMatrix } from './small-matrix.js';
import { toFloat32 } from './to-float32.js';

/** Columns of the Gaussian sketch: the standard error of an estimated e² is at most √(2 / 32) = 25 % of it. */
const SKETCH_COLUMNS = 32;

/** By how many columns the sketch for the best rank r is wider than r (Halko, Martinsson & Tropp 2011, arXiv 0909.4061). */
const OVERSAMPLING = 8;

const gaussian = (random: Random, columns: number, n: number): Float32Array =>
  toFloat32(new Float32Array(columns * n), () => random.normal());

/** Adds weight · (B A Ω)ᵀ to the sum, columns × out; Ωᵀ is columns × in. */
function addSketch(
  kernels: Kernels,
  sum: Float64Array,
  weight: number,
  { a, bt, r, in: inputs, out }: RowFactors,
  omegaT: Float32Array,
  columns: number,
): void {
  const sketched: SmallMatrix = kernels.gram(a, r, omegaT, columns, inputs); // A Ω
  kernels.addProduct(sum, weight, sketched, columns, bt, r, out);
}

/** An unbiased estimate of ‖B̃Ã − ΔW*‖²: E‖(B̃Ã − ΔW*) Ω‖² / columns. */
export function sketchedError(
  kernels: Kernels,
  data: ModuleData,
  mean: RowFactors,
  random: Random,
  columns = SKETCH_COLUMNS,
): number {
  const { in: inputs, out } = data.layout;
  const omegaT = gaussian(random, columns, inputs);
  const residual = new Float64Array(columns * out);
  addSketch(kernels, residual, 1, mean, omegaT, columns);
  data.weights.forEach((weight, i) =>
    addSketch(kernels, residual, -weight, data.factors(i), omegaT, columns),
  );
  return innerProduct(residual, residual) / columns;
}

/**
 * Nearly the best rank r of ΔW*, by a randomized range finder: Q spans ΔW* Ω, and the best rank r of Q Qᵀ ΔW* is taken.
 * Two passes over the silos.
 */
export function sketchedBest(kernels: Kernels, data: ModuleData, random: Random): RowFactors {
  const { r, in: inputs, out } = data.layout;
  const columns = Math.min(r + OVERSAMPLING, inputs, out);
  const omegaT = gaussian(random, columns, inputs);
  const range = new Float64Array(columns * out);
  data.weights.forEach((weight, i) => addSketch(kernels, range, weight, data.factors(i), omegaT, columns));
  const q = orthonormalRows(kernels, range, columns, out);
  const onto = new Float64Array(q.count * inputs); // Qᵀ ΔW*
  data.weights.forEach((weight, i) => {
    const { a, bt } = data.factors(i);
    if (q.count > 0)
      kernels.addProduct(onto, weight, kernels.gram(bt, r, q.rows, q.count, out), q.count, a, r, inputs);
  });
  const rows = Float32Array.from(onto);
  const kept = Math.min(r, q.count);
  const { vectors } = symmetricEigen(kernels.gram(rows, q.count, rows, q.count, inputs), q.count);
  const first = firstColumns(vectors, q.count, q.count, kept);
  const rotated = (x: Float32Array, n: number): Float32Array =>
    Float32Array.from(combineRows(kernels, first, kept, x, q.count, n));
  return { r: kept, in: inputs, out, a: rotated(rows, inputs), bt: rotated(q.rows, out) };
}
