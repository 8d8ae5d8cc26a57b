import type { MeanProduct } from './errors.js';
import type { Kernels } from './kernels.js';
import type { ModuleData } from './module-data.js';
import { angleFromCosine, principalCosines } from './principal-angles.js';
import { NOISE } from './rotate.js';
import type { RowFactors } from './row-factors.js';
import { innerProduct, svd, type SmallMatrix } from './small-matrix.js';
import type { SiloDiagnostics } from './types.js';

/** X Xᵀ and X X̄ᵀ of one factor. */
interface Grams {
  readonly own: SmallMatrix;
  readonly cross: SmallMatrix;
}

/** Every silo's update of a module against the published factors, in one pass over the silos. `mean` only where products are known. */
export function siloDiagnostics(
  kernels: Kernels,
  data: ModuleData,
  mean: MeanProduct | undefined,
): SiloDiagnostics[] {
  const { previous } = data;
  const reference = gramsOf(kernels, previous, previous);
  const products = mean && updatesOf(previous, mean, reference);
  return data.weights.map((_, i) => {
    const silo = gramsOf(kernels, data.factors(i), previous);
    return {
      misalignment: misalignment(silo, reference, previous.r),
      angleA: data.shared.a ? largestAngle(silo.a, reference.a, previous.r) : null,
      angleB: data.shared.b ? largestAngle(silo.b, reference.b, previous.r) : null,
      ...(products?.(silo, mean?.silos[i] ?? 0) ?? { updateNorm: null, cosineToMean: null }),
    };
  });
}

interface BothGrams {
  readonly a: Grams;
  readonly b: Grams;
}

function gramsOf(kernels: Kernels, x: RowFactors, reference: RowFactors): BothGrams {
  const of = (rows: Float32Array, other: Float32Array, n: number): Grams => {
    const own = kernels.gram(rows, x.r, rows, x.r, n);
    return { own, cross: rows === other ? own : kernels.gram(rows, x.r, other, reference.r, n) };
  };
  return { a: of(x.a, reference.a, x.in), b: of(x.bt, reference.bt, x.out) };
}

const trace = (x: SmallMatrix, r: number): number => {
  let sum = 0;
  for (let i = 0; i < r; i++) sum += x[i * r + i]!;
  return sum;
};

/** √((1 − tr M / ‖M‖_*) / 2) for M = Σ over the factors of X_i X̄ᵀ / (‖X_i‖ ‖X̄‖); 0 where M is nothing. */
function misalignment(silo: BothGrams, reference: BothGrams, r: number): number {
  const m = new Float64Array(r * r);
  let parts = 0;
  for (const side of ['a', 'b'] as const) {
    const scale = Math.sqrt(trace(silo[side].own, r)) * Math.sqrt(trace(reference[side].own, r));
    if (scale === 0) continue;
    silo[side].cross.forEach((value, i) => (m[i]! += value / scale));
    parts += 1;
  }
  const nuclear = svd(m, r).sigma.reduce((sum, value) => sum + value, 0);
  if (nuclear <= NOISE * parts) return 0;
  return Math.sqrt(Math.min(1, Math.max(0, (1 - trace(m, r) / nuclear) / 2)));
}

function largestAngle(silo: Grams, reference: Grams, r: number): number | null {
  const cosines = principalCosines(silo.own, reference.own, silo.cross, r);
  return cosines.length === 0 ? null : angleFromCosine(cosines[cosines.length - 1]!);
}

/** ‖U_i‖ and the cosine between U_i = B_i A_i − B̄Ā and U = ΔW* − B̄Ā, by r × r algebra. */
function updatesOf(
  previous: RowFactors,
  mean: MeanProduct,
  reference: BothGrams,
): (silo: BothGrams, overlap: number) => Pick<SiloDiagnostics, 'updateNorm' | 'cosineToMean'> {
  const old = innerProduct(reference.a.own, reference.b.own);
  const oldToMean = mean.overlap(previous);
  const meanSquare = Math.max(0, mean.square - 2 * oldToMean + old);
  const rounding = 1e-13 * (mean.square + old);
  return (silo, overlap) => {
    const own = innerProduct(silo.a.own, silo.b.own);
    const oldToOwn = innerProduct(silo.a.cross, silo.b.cross);
    const square = own - 2 * oldToOwn + old;
    const isZero = square <= 1e-13 * (own + old);
    const inner = overlap - oldToOwn - oldToMean + old;
    const cosine = inner / Math.sqrt(square * meanSquare);
    return {
      updateNorm: isZero ? 0 : Math.sqrt(square),
      cosineToMean: isZero || meanSquare <= rounding ? null : Math.min(1, Math.max(-1, cosine)),
    };
  };
}
