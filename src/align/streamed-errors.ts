import type { Random } from '../random.js';
import { isPlain, leastIndex, plainRotations, withoutRounding, type ErrorAlgebra } from './errors.js';
import type { Kernels } from './kernels.js';
import type { Rotations } from './method.js';
import type { ModuleData } from './module-data.js';
import { addRotated, emptySums, roundSums, type RowFactors } from './row-factors.js';
import { innerProduct, type SmallMatrix } from './small-matrix.js';

/** Columns of the Gaussian sketch: the standard error of an estimated e² is at most √(2 / 32) = 25 % of it. */
export const SKETCH_COLUMNS = 32;

/** A mean of rotated factors, and f = ‖B̃Ã − ΔW*‖² − ‖ΔW*‖² of it. */
interface Judged {
  readonly mean: RowFactors;
  readonly f: number;
}

/**
 * Errors in one pass after the other over the silos, at O(N r (r + sketch) (in + out)): for many silos.
 *
 * f(B̃, Ã) = ‖B̃Ã‖² − 2 Σ p_i tr((B̃ᵀB_i)(A_iÃᵀ)) is e² but for the constant ‖ΔW*‖², and exact: candidates are compared, and the
 * difference to plain averaging is given, by it. Only the size of the smaller of the two errors comes from an unbiased Gaussian
 * sketch, E‖(B̃Ã − ΔW*) Ω‖² / columns = e²; then ‖ΔW*‖² = e² − f.
 */
export function streamedErrors(
  kernels: Kernels,
  data: ModuleData,
  random: Random,
  columns = SKETCH_COLUMNS,
): ErrorAlgebra {
  const plain = plainRotations(data.weights.length);
  const judged = new Map<Rotations, Judged>();
  let scale = 0;

  const judge = (candidates: readonly Rotations[]): Judged[] => {
    const fresh = candidates.filter((candidate) => !judged.has(keyOf(candidate)));
    const means = averages(kernels, data, fresh);
    const result = functionals(kernels, data, means);
    scale = result.scale;
    fresh.forEach((candidate, i) => judged.set(keyOf(candidate), { mean: means[i]!, f: result.f[i]! }));
    return candidates.map((candidate) => judged.get(keyOf(candidate))!);
  };
  const keyOf = (rotations: Rotations): Rotations => (isPlain(rotations) ? plain : rotations);

  return {
    mean: (rotations) => judge([rotations])[0]!.mean,
    leastError(candidates) {
      const least = leastIndex(
        judge(candidates).map(({ f }) => f),
        scale,
      );
      const winner = keyOf(candidates[least]!);
      for (const key of [...judged.keys()]) if (key !== winner && key !== plain) judged.delete(key);
      return least;
    },
    errors(rotations) {
      const [own, fedit] = judge([rotations, plain]) as [Judged, Judged];
      const better = own.f <= fedit.f ? own : fedit;
      const square = sketchedError(kernels, data, better.mean, random, columns);
      return {
        method: square + (own.f - better.f),
        fedit: square + (fedit.f - better.f),
        target: withoutRounding(square - better.f, scale),
      };
    },
  };
}

/** The means of all candidates, in one pass. */
function averages(kernels: Kernels, data: ModuleData, candidates: readonly Rotations[]): RowFactors[] {
  const sums = candidates.map(() => emptySums(data.layout));
  data.weights.forEach((weight, i) => {
    const factors = data.factors(i);
    candidates.forEach((rotations, c) => addRotated(kernels, sums[c]!, weight, rotations[i], factors));
  });
  return sums.map((sum) => roundSums(sum, data.layout));
}

/** f of each mean, and Σ p_i ‖B_i A_i‖², in one pass. */
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

/** ⟨B A, B' A'⟩ = tr((Bᵀ B')(A' Aᵀ)). */
function productOverlap(kernels: Kernels, x: RowFactors, y: RowFactors): number {
  const b = kernels.gram(x.bt, x.r, y.bt, y.r, x.out);
  const a = kernels.gram(x.a, x.r, y.a, y.r, x.in);
  return innerProduct(a, b);
}

/** An unbiased estimate of ‖B̃Ã − ΔW*‖². */
function sketchedError(
  kernels: Kernels,
  data: ModuleData,
  mean: RowFactors,
  random: Random,
  columns: number,
): number {
  const { r, in: inputs, out } = data.layout;
  const omegaT = Float32Array.from({ length: columns * inputs }, () => random.normal());
  const residual = new Float64Array(columns * out); // ((B̃Ã − ΔW*) Ω)ᵀ
  const add = (weight: number, { a, bt }: RowFactors): void => {
    const sketched: SmallMatrix = kernels.gram(a, r, omegaT, columns, inputs); // A Ω
    kernels.addProduct(residual, weight, sketched, columns, bt, r, out);
  };
  add(1, mean);
  data.weights.forEach((weight, i) => add(-weight, data.factors(i)));
  return innerProduct(residual, residual) / columns;
}
