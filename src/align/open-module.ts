import type { Random } from '../random.js';
import { isPlain, type ErrorAlgebra } from './errors.js';
import { exactErrors } from './exact-errors.js';
import type { Kernels } from './kernels.js';
import type { ModuleView, Rotations } from './method.js';
import { EXACT_RANK, squareOf, type ModuleData } from './module-data.js';
import { moduleGrams, type ModuleGrams } from './module-grams.js';
import { norm, rowsOf, type CrossGram, type Side } from './rotate.js';
import { sumOf, type RowFactors } from './row-factors.js';
import { SentSums } from './sent-sums.js';
import { streamedErrors } from './streamed-errors.js';

/** What errors are measured by: Gram matrices of the silos, of all pairs while they are few. Most of a round's work. */
export interface ModuleMeasures {
  readonly grams: ModuleGrams;
  readonly algebra: ErrorAlgebra;
}

/** One module of a round, ready to be aligned, combined and measured. */
export interface ModuleWork {
  readonly data: ModuleData;
  readonly view: ModuleView;
  /** Begun when it is first asked for: most methods combine without. */
  readonly measures: () => ModuleMeasures;
}

export function openModule(kernels: Kernels, data: ModuleData, round: number, random: Random): ModuleWork {
  let opened: ModuleMeasures | undefined;
  const measures = (): ModuleMeasures => (opened ??= measuresOf(kernels, data, random));
  const { r, in: inputs, out } = data.layout;
  const view: ModuleView = {
    round,
    r,
    in: inputs,
    out,
    silos: data.weights.length,
    weights: data.weights,
    get previous() {
      return data.previous;
    },
    random,
    kernels,
    factors: (silo) => data.factors(silo),
    crossGrams: (side, reference = data.previous) => crossGrams(kernels, data, side, reference),
    // The algebra remembers means that it has compared or will measure; the numbers are the same.
    mean: (rotations) => opened?.algebra.mean(rotations) ?? weightedMean(kernels, data, rotations),
    leastError: (candidates) => measures().algebra.leastError(candidates),
  };
  return { data, view, measures };
}

function measuresOf(kernels: Kernels, data: ModuleData, random: Random): ModuleMeasures {
  const grams = moduleGrams(kernels, data);
  const exact = data.weights.length * data.layout.r <= EXACT_RANK;
  return {
    grams,
    algebra: exact ? exactErrors(kernels, data) : streamedErrors(kernels, data, random, grams),
  };
}

function crossGrams(kernels: Kernels, data: ModuleData, side: Side, reference: RowFactors): CrossGram[] {
  const { r } = data.layout;
  const { x: y, n } = rowsOf(reference, side);
  const length = norm(y);
  return data.weights.map((_, i) => {
    const x = data.rows(i, side);
    return { m: kernels.gram(x, r, y, r, n), scale: Math.sqrt(data.square(i, side)) * length };
  });
}

/** Σ p_i (R_iᵀ A_i, R_iᵀ B_iᵀ) in float32, of the run's weights or others. Throws tensor_not_finite. */
export function weightedMean(
  kernels: Kernels,
  data: ModuleData,
  rotations: Rotations,
  weights: readonly number[] = data.weights,
): RowFactors {
  const mean =
    data.shared.b && !data.hasRowsOfB
      ? meanAsSent(kernels, data, rotations, weights)
      : sumOf(kernels, data.layout, (sums) => {
          weights.forEach((weight, i) => sums.add(weight, rotations[i], data.unchecked(i)));
        });
  // What is not finite in any silo's has come through to here; whose it is shows where they are checked.
  if (![mean.a, mean.bt].every((rows) => Number.isFinite(squareOf(rows))))
    for (let i = 0; i < weights.length; i++) data.factors(i);
  return mean;
}

/** The same of B as it was sent: only the mean goes to rows. */
function meanAsSent(
  kernels: Kernels,
  data: ModuleData,
  rotations: Rotations,
  weights: readonly number[],
): RowFactors {
  const sums = new SentSums(kernels, data.layout, isPlain(rotations));
  try {
    weights.forEach((weight, i) => {
      sums.add(weight, rotations[i], { a: data.sent(i, 'a'), b: data.sent(i, 'b') });
    });
    return sums.rounded();
  } finally {
    sums.end();
  }
}
