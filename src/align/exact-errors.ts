import { centerGram, rotateGram, stackedGram, weightedInner } from './block-gram.js';
import { isPlain, leastIndex, withoutRounding, type ErrorAlgebra, type Judged } from './errors.js';
import type { Kernels } from './kernels.js';
import { plainRotations, type Rotations } from './method.js';
import type { ModuleData } from './module-data.js';
import { productSpectrum } from './product-spectrum.js';
import { productOverlap, sumOf, type RowFactors } from './row-factors.js';

/**
 * Exact errors from the Gram matrices of all pairs of silos: O((N r)² (in + out)) once, then algebra on matrices of N r rows.
 *
 * With D_i = B_i R_i − B̃ and F_i = R_iᵀ A_i − Ã, whose weighted sums vanish, Σ p_i B_i A_i = B̃Ã + Σ p_i D_i F_i. So the error of a
 * mean is ‖Σ p_i D_i F_i‖_F: what the silos' deviations from it have in common. Unlike ‖B̃Ã‖² − 2⟨B̃Ã, ΔW*⟩ + ‖ΔW*‖², which is
 * taken for other factors, nothing cancels in it.
 */
export function exactErrors(kernels: Kernels, data: ModuleData): ErrorAlgebra {
  const { layout, weights } = data;
  const { r } = layout;
  const silos = weights.map((_, i) => data.factors(i));
  const gramA = stackedGram(kernels, silos.map(({ a }) => ({ x: a, r })), layout.in); // prettier-ignore
  const gramB = stackedGram(kernels, silos.map(({ bt }) => ({ x: bt, r })), layout.out); // prettier-ignore
  const scale = weights.reduce(
    (sum, weight, i) => sum + weight * blockInner(gramA, gramB, i, i, weights.length, r),
    0,
  );
  const target = Math.max(0, weightedInner(gramA, gramB, weights, r));

  const errorOfMean = (rotations: Rotations): number => {
    const [a, b] = [gramA, gramB].map((gram) => centerGram(rotateGram(gram, rotations, r), weights, r));
    return Math.max(0, weightedInner(a!, b!, weights, r));
  };
  const overlap = (factors: RowFactors): number =>
    silos.reduce((sum, silo, i) => sum + weights[i]! * productOverlap(kernels, factors, silo), 0);
  const errorOf = ({ factors, rotations }: Judged, fedit: number): number => {
    if (rotations) return isPlain(rotations) ? fedit : errorOfMean(rotations);
    return Math.max(0, productOverlap(kernels, factors, factors) - 2 * overlap(factors) + target);
  };
  const bound = (): number => {
    const { squares } = productSpectrum(gramA, gramB, weights.flatMap((weight) => new Array<number>(r).fill(weight))); // prettier-ignore
    return squares.slice(r).reduce((sum, square) => sum + square, 0);
  };

  return {
    mean(rotations) {
      return sumOf(kernels, layout, (sums) => {
        silos.forEach((factors, i) => sums.add(weights[i]!, rotations[i], factors));
      });
    },
    leastError: (candidates) => leastIndex(candidates.map(errorOfMean), scale),
    errors(judged) {
      const fedit = errorOfMean(plainRotations(weights.length));
      return {
        method: errorOf(judged, fedit),
        fedit,
        bound: bound(),
        target: withoutRounding(target, scale),
      };
    },
    meanProduct: () => ({
      silos: weights.map((_, i) =>
        weights.reduce((sum, w, j) => sum + w * blockInner(gramA, gramB, i, j, weights.length, r), 0),
      ),
      square: target,
      overlap,
    }),
  };
}

/** ⟨B_i A_i, B_j A_j⟩ from the blocks of silos i and j. */
function blockInner(
  gramA: Float64Array,
  gramB: Float64Array,
  i: number,
  j: number,
  silos: number,
  r: number,
): number {
  let sum = 0;
  for (let row = i * r; row < (i + 1) * r; row++)
    for (let column = j * r; column < (j + 1) * r; column++)
      sum += gramA[row * silos * r + column]! * gramB[row * silos * r + column]!;
  return sum;
}
