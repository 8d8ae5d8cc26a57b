import { centerGram, rotateGram, stackedGram, weightedInner } from './block-gram.js';
import { isPlain, leastIndex, plainRotations, withoutRounding, type ErrorAlgebra } from './errors.js';
import type { Kernels } from './kernels.js';
import type { Rotations } from './method.js';
import type { ModuleData } from './module-data.js';
import { addRotated, emptySums, roundSums } from './row-factors.js';

/**
 * Exact errors from the Gram matrices of all pairs of silos: O((N r)² (in + out)) once, then r × r algebra.
 *
 * With D_i = B_i R_i − B̃ and F_i = R_iᵀ A_i − Ã, whose weighted sums vanish, Σ p_i B_i A_i = B̃Ã + Σ p_i D_i F_i. So the error is
 * ‖Σ p_i D_i F_i‖_F: what the silos' deviations from the mean have in common. Unlike ‖B̃Ã‖² − 2⟨B̃Ã, ΔW*⟩ + ‖ΔW*‖² nothing
 * cancels in it.
 */
export function exactErrors(kernels: Kernels, data: ModuleData): ErrorAlgebra {
  const { layout, weights } = data;
  const { r } = layout;
  const silos = weights.map((_, i) => data.factors(i));
  const gramA = stackedGram(
    kernels,
    silos.map(({ a }) => a),
    r,
    layout.in,
  );
  const gramB = stackedGram(
    kernels,
    silos.map(({ bt }) => bt),
    r,
    layout.out,
  );
  const scale = weights.reduce(
    (sum, weight, i) => sum + weight * ownSquare(gramA, gramB, i, weights.length, r),
    0,
  );

  const squaredError = (rotations: Rotations): number => {
    const [a, b] = [gramA, gramB].map((gram) => centerGram(rotateGram(gram, rotations, r), weights, r));
    return Math.max(0, weightedInner(a!, b!, weights, r));
  };
  return {
    mean(rotations) {
      const sums = emptySums(layout);
      silos.forEach((factors, i) => addRotated(kernels, sums, weights[i]!, rotations[i], factors));
      return roundSums(sums, layout);
    },
    leastError: (candidates) => leastIndex(candidates.map(squaredError), scale),
    errors(rotations) {
      const fedit = squaredError(plainRotations(weights.length));
      return {
        method: isPlain(rotations) ? fedit : squaredError(rotations),
        fedit,
        target: withoutRounding(weightedInner(gramA, gramB, weights, r), scale),
      };
    },
  };
}

/** ‖B_i A_i‖_F² from the i-th diagonal blocks. */
function ownSquare(gramA: Float64Array, gramB: Float64Array, i: number, silos: number, r: number): number {
  let sum = 0;
  for (let row = i * r; row < (i + 1) * r; row++)
    for (let column = i * r; column < (i + 1) * r; column++)
      sum += gramA[row * silos * r + column]! * gramB[row * silos * r + column]!;
  return sum;
}
