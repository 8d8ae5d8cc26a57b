import type { Random } from '../random.js';
import { isPlain, leastIndex, withoutRounding, type ErrorAlgebra, type Judged } from './errors.js';
import type { Kernels } from './kernels.js';
import { plainRotations, type Rotations } from './method.js';
import type { ModuleData } from './module-data.js';
import { addRotated, emptySums, productOverlap, roundSums, type RowFactors } from './row-factors.js';
import { sketchedBest, sketchedError } from './sketch.js';

/** Factors, and f = ‖B̃Ã − ΔW*‖² − ‖ΔW*‖² of them. */
interface Valued {
  readonly factors: RowFactors;
  readonly f: number;
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
  columns?: number,
): ErrorAlgebra {
  const plain = plainRotations(data.weights.length);
  const known = new Map<Rotations, Valued>();
  let scale = 0;
  let best: RowFactors | undefined;
  let last: { readonly key: Rotations; readonly factors: RowFactors } | undefined;

  const value = (means: readonly RowFactors[]): Valued[] => {
    const result = functionals(kernels, data, means);
    scale = result.scale;
    return means.map((factors, i) => ({ factors, f: result.f[i]! }));
  };
  const keyOf = (rotations: Rotations): Rotations => (isPlain(rotations) ? plain : rotations);
  const meansOf = (keys: readonly Rotations[]): RowFactors[] => {
    const missing = keys.filter((key) => key !== last?.key);
    const means = averages(kernels, data, missing);
    return keys.map((key) => (key === last?.key ? last.factors : means[missing.indexOf(key)]!));
  };
  const ofRotations = (candidates: readonly Rotations[]): Valued[] => {
    const fresh = [...new Set(candidates.map(keyOf))].filter((key) => !known.has(key));
    if (fresh.length > 0) value(meansOf(fresh)).forEach((valued, i) => known.set(fresh[i]!, valued));
    return candidates.map((candidate) => known.get(keyOf(candidate))!);
  };
  const bestOfSketch = (): RowFactors => (best ??= sketchedBest(kernels, data, random.derive('best')));

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
        scale,
      );
      const winner = keyOf(candidates[least]!);
      for (const key of [...known.keys()]) if (key !== winner && key !== plain) known.delete(key);
      return least;
    },
    errors({ factors, rotations }: Judged) {
      const others = rotations ? [bestOfSketch()] : [bestOfSketch(), factors];
      const [fedit, ofMean] = ofRotations(rotations ? [plain, rotations] : [plain]) as [Valued, Valued?];
      const [bound, ofFactors] = value(others) as [Valued, Valued?];
      const own = (ofMean ?? ofFactors)!;
      const all = [own, fedit, bound];
      const least = all.reduce((smallest, candidate) => (candidate.f < smallest.f ? candidate : smallest));
      const square = sketchedError(kernels, data, least.factors, random, columns);
      const squareOf = ({ f }: Valued): number => square + (f - least.f);
      return {
        method: squareOf(own),
        fedit: squareOf(fedit),
        bound: squareOf(least),
        target: withoutRounding(square - least.f, scale),
      };
    },
    meanProduct() {
      const approximation = bestOfSketch();
      const overlap = (factors: RowFactors): number => productOverlap(kernels, factors, approximation);
      return {
        silos: data.weights.map((_, i) => overlap(data.factors(i))),
        square: overlap(approximation),
        overlap,
      };
    },
  };
}

/** The means of all candidates, in one pass. */
function averages(kernels: Kernels, data: ModuleData, candidates: readonly Rotations[]): RowFactors[] {
  if (candidates.length === 0) return [];
  const sums = candidates.map(() => emptySums(data.layout));
  data.weights.forEach((weight, i) => {
    const factors = data.factors(i);
    candidates.forEach((rotations, c) => addRotated(kernels, sums[c]!, weight, rotations[i], factors));
  });
  return sums.map((sum) => roundSums(sum, data.layout));
}

/** f of each of some factors, and Σ p_i ‖B_i A_i‖², in one pass. */
function functionals(
  kernels: Kernels,
  data: ModuleData,
  means: readonly RowFactors[],
): { f: number[]; scale: number } {
  const f = means.map((mean) => productOverlap(kernels, mean, mean));
  let scale = 0;
  data.weights.forEach((weight, i) => {
    const factors = data.factors(i);
    scale += weight * productOverlap(kernels, factors, factors);
    means.forEach((mean, c) => {
      f[c]! -= 2 * weight * productOverlap(kernels, mean, factors);
    });
  });
  return { f, scale };
}
