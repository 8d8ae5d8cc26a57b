import type { Random } from '../random.js';
import { isPlain, leastIndex, withoutRounding, type ErrorAlgebra, type Judged } from './errors.js';
import type { Kernels } from './kernels.js';
import { plainRotations, type Rotations } from './method.js';
import type { ModuleData } from './module-data.js';
import { moduleGrams, type ModuleGrams } from './module-grams.js';
import { FactorSums, productOverlap, type RowFactors } from './row-factors.js';
import { sketchedBest, sketchedError } from './sketch.js';

/** Factors, f = ‖B̃Ã − ΔW*‖² − ‖ΔW*‖² of them, and their overlaps with the silos' products. */
interface Valued {
  readonly factors: RowFactors;
  readonly f: number;
  readonly overlaps: readonly number[];
}

/**
 * Errors in one pass after the other over the silos, at O(N r (r + sketch) (in + out)): for many silos.
 *
 * f(B̃, Ã) = ‖B̃Ã‖² − 2 Σ p_i tr((B̃ᵀB_i)(A_iÃᵀ)) is e² but for the constant ‖ΔW*‖², and exact: candidates are compared, and the
 * differences between method, plain averaging and bound are given, by it. Only the size of the smallest of these errors comes from an
 * unbiased Gaussian sketch; then ‖ΔW*‖² = e² − f. The bound is that of a randomized approximation of rank r: an upper estimate.
 */
export function streamedErrors(
  kernels: Kernels,
  data: ModuleData,
  random: Random,
  grams: ModuleGrams = moduleGrams(kernels, data),
): ErrorAlgebra {
  const plain = plainRotations(data.weights.length);
  const known = new Map<Rotations, Valued>();
  let best: Valued | undefined;
  let last: { readonly key: Rotations; readonly factors: RowFactors } | undefined;
  // Σ p_i ‖B_i A_i‖²
  const scale = (): number => data.weights.reduce((sum, weight, i) => sum + weight * grams.square(i), 0);
  const keyOf = (rotations: Rotations): Rotations => (isPlain(rotations) ? plain : rotations);
  const meansOf = (keys: readonly Rotations[]): RowFactors[] => {
    const missing = keys.filter((key) => key !== last?.key);
    const means = averages(kernels, data, missing);
    return keys.map((key) => (key === last?.key ? last.factors : means[missing.indexOf(key)]!));
  };
  const ofRotations = (candidates: readonly Rotations[]): Valued[] => {
    const fresh = [...new Set(candidates.map(keyOf))].filter((key) => !known.has(key));
    if (fresh.length > 0)
      functionals(kernels, data, meansOf(fresh)).forEach((valued, i) => known.set(fresh[i]!, valued));
    return candidates.map((candidate) => known.get(keyOf(candidate))!);
  };
  const bestOfSketch = (): Valued =>
    (best ??= functionals(kernels, data, [sketchedBest(kernels, data, random.derive('best'))])[0]!);

  return {
    mean(rotations) {
      const key = keyOf(rotations);
      const factors = known.get(key)?.factors ?? meansOf([key])[0]!;
      last = { key, factors };
      return factors;
    },
    leastError(candidates) {
      const least = leastIndex(
        ofRotations(candidates).map(({ f }) => f),
        scale(),
      );
      const winner = keyOf(candidates[least]!);
      for (const key of [...known.keys()]) if (key !== winner && key !== plain) known.delete(key);
      return least;
    },
    errors({ factors, rotations }: Judged) {
      const [fedit, ofMean] = ofRotations(rotations ? [plain, rotations] : [plain]) as [Valued, Valued?];
      const own = ofMean ?? functionals(kernels, data, [factors])[0]!;
      const bound = bestOfSketch();
      const all = [own, fedit, bound];
      const least = all.reduce((smallest, candidate) => (candidate.f < smallest.f ? candidate : smallest));
      const square = sketchedError(kernels, data, least.factors, random);
      const squareOf = ({ f }: Valued): number => square + (f - least.f);
      return {
        method: squareOf(own),
        fedit: squareOf(fedit),
        bound: squareOf(least),
        target: withoutRounding(square - least.f, scale()),
      };
    },
    meanProduct() {
      const { factors, overlaps } = bestOfSketch();
      return {
        silos: overlaps,
        square: productOverlap(kernels, factors, factors),
        overlap: (other) => productOverlap(kernels, other, factors),
      };
    },
  };
}

/** The means of all candidates, in one pass. */
function averages(kernels: Kernels, data: ModuleData, candidates: readonly Rotations[]): RowFactors[] {
  if (candidates.length === 0) return [];
  const sums = candidates.map(() => new FactorSums(kernels, data.layout));
  try {
    data.weights.forEach((weight, i) => {
      const factors = data.factors(i);
      candidates.forEach((rotations, c) => sums[c]!.add(weight, rotations[i], factors));
    });
    return sums.map((sum) => sum.rounded());
  } finally {
    for (const sum of sums) sum.end();
  }
}

/** f of each of some factors, in one pass. */
function functionals(kernels: Kernels, data: ModuleData, means: readonly RowFactors[]): Valued[] {
  const overlaps = means.map(() => [] as number[]);
  data.weights.forEach((_, i) => {
    const factors = data.factors(i);
    means.forEach((mean, c) => overlaps[c]!.push(productOverlap(kernels, mean, factors)));
  });
  return means.map((factors, c) => ({
    factors,
    overlaps: overlaps[c]!,
    f: data.weights.reduce(
      (f, weight, i) => f - 2 * weight * overlaps[c]![i]!,
      productOverlap(kernels, factors, factors),
    ),
  }));
}
