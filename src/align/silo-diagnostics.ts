import type { MeanProduct } from './errors.js';
import type { ModuleData } from './module-data.js';
import { trace, type ModuleGrams } from './module-grams.js';
import { polarFactor } from './polar.js';
import { angleFromCosine, principalCosines } from './principal-angles.js';
import { NOISE, type Side } from './rotate.js';
import { innerProduct, svd, type SmallMatrix } from './small-matrix.js';
import type { SiloDiagnostics } from './types.js';

const SIDES = ['a', 'b'] as const;

/** Squared norms below this share of what they were taken from are rounding. */
const ROUNDING = 1e-13;

/** Every silo's update of a module against the published factors. `mean` only where products are known. */
export function siloDiagnostics(
  data: ModuleData,
  grams: ModuleGrams,
  mean: MeanProduct | undefined,
): SiloDiagnostics[] {
  const { r } = data.layout;
  const compare = mean && updatesOf(data, grams, mean);
  return data.weights.map((_, silo) => ({
    misalignment: misalignment(grams, silo, r),
    angleA: data.shared.a ? largestAngle(grams, silo, 'a', r) : null,
    angleB: data.shared.b ? largestAngle(grams, silo, 'b', r) : null,
    ...(compare?.(silo) ?? { updateNorm: null, cosineToMean: null }),
  }));
}

/** √((1 − tr M / ‖M‖_*) / 2) for M = Σ over the factors of X_i X̄ᵀ / (‖X_i‖ ‖X̄‖); 0 where M is nothing. */
function misalignment(grams: ModuleGrams, silo: number, r: number): number {
  const sum = new Float64Array(r * r);
  let parts = 0;
  for (const side of SIDES) {
    const { m, scale } = grams.cross(silo, side);
    if (scale === 0) continue;
    m.forEach((value, i) => (sum[i]! += value / scale));
    parts += 1;
  }
  const nuclear = nuclearNorm(sum, r, NOISE * parts);
  if (nuclear <= NOISE * parts) return 0;
  return Math.sqrt(Math.min(1, Math.max(0, (1 - trace(sum, r) / nuclear) / 2)));
}

/** Σ σ of M: tr Qᵀ M for its polar factor Q. */
function nuclearNorm(m: SmallMatrix, r: number, tolerance: number): number {
  const polar = polarFactor(m, r, tolerance);
  return polar ? innerProduct(polar.q, m) : svd(m, r).sigma.reduce((total, value) => total + value, 0);
}

function largestAngle(grams: ModuleGrams, silo: number, side: Side, r: number): number | null {
  const { m } = grams.cross(silo, side);
  const cosines = principalCosines(grams.own(silo, side), grams.reference(side), m, r);
  return cosines.length === 0 ? null : angleFromCosine(cosines[cosines.length - 1]!);
}

/** ‖U_i‖ and the cosine between U_i = B_i A_i − B̄Ā and U = ΔW* − B̄Ā, by r × r algebra. */
function updatesOf(
  data: ModuleData,
  grams: ModuleGrams,
  mean: MeanProduct,
): (silo: number) => Pick<SiloDiagnostics, 'updateNorm' | 'cosineToMean'> {
  const old = innerProduct(grams.reference('a'), grams.reference('b'));
  const oldToMean = mean.overlap(data.previous);
  const meanSquare = Math.max(0, mean.square - 2 * oldToMean + old);
  const meanIsZero = meanSquare <= ROUNDING * (mean.square + old);
  return (silo) => {
    const own = grams.square(silo);
    const oldToOwn = innerProduct(grams.cross(silo, 'a').m, grams.cross(silo, 'b').m);
    const square = own - 2 * oldToOwn + old;
    if (square <= ROUNDING * (own + old)) return { updateNorm: 0, cosineToMean: null };
    const inner = mean.silos[silo]! - oldToOwn - oldToMean + old;
    const cosine = inner / Math.sqrt(square * meanSquare);
    return {
      updateNorm: Math.sqrt(square),
      cosineToMean: meanIsZero ? null : Math.min(1, Math.max(-1, cosine)),
    };
  };
}
