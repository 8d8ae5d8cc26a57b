import { stackedGram } from './block-gram.js';
import type { Kernels } from './kernels.js';
import { orthonormalRows, type OrthonormalRows } from './orthonormal-rows.js';
import { productSpectrum } from './product-spectrum.js';
import { norm } from './rotate.js';
import { combineRows, type RowFactors } from './row-factors.js';
import { symmetricEigen, transpose } from './small-matrix.js';
import { toFloat32 } from './to-float32.js';

/** ΔW = Σ weight_i · B_i A_i, read one after the other, of any ranks. Weights are ≥ 0. */
export interface ProductSum {
  readonly in: number;
  readonly out: number;
  readonly weights: readonly number[];
  /** Rows of A of all terms together. */
  readonly rows: number;
  factors(index: number): RowFactors;
}

/** Up to so many rows all terms are taken at once; beyond, in groups. */
const AT_ONCE = 256;

/** Singular values below this share of the largest are float32's rounding. */
const NEGLIGIBLE = 1e-7;

/** Half steps of the refinement at most, and the gain, relative to Σ σ², below which it is done. */
const HALF_STEPS = 8;
const SETTLED = 1e-6;

/** The same of Σ weight_i ‖B_i‖ ‖A_i‖: what is left of a ΔW that cancels. */
const CANCELLED = 1e-12;

/**
 * The best approximation of ΔW of at most the given rank (Eckart & Young 1936), balanced: B = U √Σ, A = √Σ Vᵀ, in falling
 * order of σ. The result's rank is that of ΔW where that is less. O((in + out) · rows · rank) with the rows of a group at a time
 * in memory, never in × out.
 *
 * Up to 256 rows at once; beyond, groups are merged and truncated to a working rank of 4 × `rank`. Either way a step of
 * subspace iteration on ΔW itself follows, A = Uᵀ ΔW: what rounding and truncation did to the subspace then enters the error only
 * squared.
 */
export function bestRank(kernels: Kernels, sum: ProductSum, rank: number): RowFactors {
  if (sum.rows <= AT_ONCE) return truncated(kernels, sum, rank);
  const working = Math.min(4 * rank, sum.in, sum.out);
  let group: { weight: number; factors: RowFactors }[] = [];
  const rowsOfGroup = (): number => group.reduce((total, { factors }) => total + factors.r, 0);
  const merge = (): void => {
    const terms = group;
    const part: ProductSum = {
      in: sum.in,
      out: sum.out,
      weights: terms.map(({ weight }) => weight),
      rows: rowsOfGroup(),
      factors: (i) => terms[i]!.factors,
    };
    group = [{ weight: 1, factors: truncated(kernels, part, working) }];
  };
  sum.weights.forEach((weight, i) => {
    group.push({ weight, factors: sum.factors(i) });
    if (rowsOfGroup() >= 2 * working) merge();
  });
  merge();
  return refined(kernels, sum, group[0]!.factors, rank);
}

/** From the Gram matrices of all terms at once. */
function truncated(kernels: Kernels, sum: ProductSum, rank: number): RowFactors {
  const terms = sum.weights.map((_, i) => sum.factors(i));
  const termWeights = terms.flatMap(({ r }, i) => new Array<number>(r).fill(sum.weights[i]!));
  const gramX = stackedGram(kernels, terms.map(({ a, r }) => ({ x: a, r })), sum.in); // prettier-ignore
  const gramY = stackedGram(kernels, terms.map(({ bt, r }) => ({ x: bt, r })), sum.out); // prettier-ignore
  const spectrum = productSpectrum(gramX, gramY, termWeights);
  const kept = Math.min(rank, spectrum.squares.length);
  const c = spectrum.leftCombinations(kept);
  const left = new Float64Array(kept * sum.out);
  let row = 0;
  for (const { bt, r } of terms) {
    if (kept > 0) kernels.addProduct(left, 1, c.subarray(row * kept, (row + r) * kept), kept, bt, r, sum.out);
    row += r;
  }
  return project(kernels, sum, orthonormalRows(kernels, left, kept, sum.out), rank);
}

/**
 * Half steps of subspace iteration on ΔW at the working rank, from merged factors, until the first `rank` singular values gain
 * nothing more. No step can make them worse: each takes the best within the span of the last.
 */
function refined(kernels: Kernels, sum: ProductSum, merged: RowFactors, rank: number): RowFactors {
  const orientations = [sum, flippedSum(sum)] as const; // ΔW, and its transpose
  let result = merged;
  let energy = 0;
  for (let step = 0; step < HALF_STEPS; step++) {
    const odd = step % 2;
    const side = odd ? flipped(result) : result;
    const over = orientations[odd]!;
    const next = project(
      kernels,
      over,
      orthonormalRows(kernels, Float64Array.from(side.bt), side.r, over.out),
      side.r,
    );
    result = odd ? flipped(next) : next;
    const before = energy;
    energy = firstEnergy(next, rank);
    if (energy - before <= SETTLED * energy) break;
  }
  return cut(result, rank);
}

/** Σ σ_j² of the first `rank` of balanced factors: the rows have length √σ_j. */
function firstEnergy({ a, in: inputs, r }: RowFactors, rank: number): number {
  let energy = 0;
  for (let j = 0; j < Math.min(r, rank); j++) energy += norm(a.subarray(j * inputs, (j + 1) * inputs)) ** 4;
  return energy;
}

function cut({ r, in: inputs, out, a, bt }: RowFactors, rank: number): RowFactors {
  const kept = Math.min(r, rank);
  return { r: kept, in: inputs, out, a: a.slice(0, kept * inputs), bt: bt.slice(0, kept * out) };
}

/** A ↔ Bᵀ, so that one function serves both sides. */
const flipped = (x: RowFactors): RowFactors => ({ r: x.r, in: x.out, out: x.in, a: x.bt, bt: x.a });

const flippedSum = (sum: ProductSum): ProductSum => ({
  in: sum.out,
  out: sum.in,
  weights: sum.weights,
  rows: sum.rows,
  factors: (i) => flipped(sum.factors(i)),
});

/** The best rank of U Uᵀ ΔW, balanced, for orthonormal rows Uᵀ. */
function project(kernels: Kernels, sum: ProductSum, u: OrthonormalRows, rank: number): RowFactors {
  const { in: inputs, out } = sum;
  const zero = { r: 0, in: inputs, out, a: new Float32Array(0), bt: new Float32Array(0) };
  if (u.count === 0) return zero;
  const rows = new Float64Array(u.count * inputs); // Uᵀ ΔW
  let scale = 0;
  sum.weights.forEach((weight, i) => {
    const { a, bt, r } = sum.factors(i);
    scale += weight * norm(a) * norm(bt);
    const gram = kernels.gram(bt, r, u.rows, u.count, out);
    kernels.addProduct(rows, weight, gram, u.count, a, r, inputs);
  });
  const largest = rows.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (!(largest > CANCELLED * scale)) return zero;
  const unit = toFloat32(rows, (value) => value / largest);
  const { values, vectors } = symmetricEigen(kernels.gram(unit, u.count, unit, u.count, inputs), u.count);
  const squares = values.filter((value) => value > NEGLIGIBLE ** 2 * values[0]!).slice(0, rank);
  const kept = squares.length;
  const turn = (power: number): Float64Array =>
    Float64Array.from(
      { length: u.count * kept },
      (_, at) => vectors[Math.floor(at / kept) * u.count + (at % kept)]! * squares[at % kept]! ** power,
    );
  const root = Math.sqrt(largest);
  const half = (x: Float32Array, power: number, n: number): Float32Array =>
    toFloat32(combineRows(kernels, turn(power), kept, x, u.count, n), (value) => value * root);
  return { r: kept, in: inputs, out, a: half(unit, -1 / 4, inputs), bt: half(u.rows, 1 / 4, out) };
}

/**
 * Factors of a lower rank as factors of rank r: what is missing are zero rows of A and columns of B, turned by R (r × r), and
 * then the directions left without a use take A from `idle` (r rows), so that they can be trained again: with B = 0 in them the
 * product stays. ‖A‖ stays within `limit`, and what is taken is no longer than what is used: R mixes both, and B's rounding counts times A.
 */
export function withIdleRows(
  kernels: Kernels,
  best: RowFactors,
  r: number,
  rotation: Float64Array,
  idle: Float32Array,
  limit: number,
): RowFactors {
  const { in: inputs, out } = best;
  const used = rotation.subarray(0, best.r * r); // the first rows of R
  const a = combineRows(kernels, used, r, best.a, best.r, inputs);
  const bt = combineRows(kernels, used, r, best.bt, best.r, out);
  if (best.r < r) {
    const unused = rotation.subarray(best.r * r);
    const rest = combineRows(kernels, transpose(unused, r - best.r, r), r - best.r, idle, r, inputs);
    const own = norm(best.a) ** 2;
    const square = rest.reduce((total, value) => total + value * value, 0);
    const room = Math.max(0, Math.min(limit ** 2 - own, best.r > 0 ? own : Infinity));
    const scale = square > room ? Math.sqrt(room / square) : 1;
    if (scale > 0) kernels.addProduct(a, scale, unused, r, Float32Array.from(rest), r - best.r, inputs);
  }
  return { r, in: inputs, out, a: Float32Array.from(a), bt: Float32Array.from(bt) };
}
