import type { Random } from '../random.js';
import type { ErrorAlgebra, Judged, SquaredErrors } from './errors.js';
import { exactErrors } from './exact-errors.js';
import type { Kernels } from './kernels.js';
import type { Alignment, ConfiguredMethod, Merge, ModuleView } from './method.js';
import { EXACT_RANK, type ModuleData } from './module-data.js';
import { moduleGrams, type ModuleGrams } from './module-grams.js';
import { alignedFactors } from './robust/deviations.js';
import { combineRobustly } from './robust/combine.js';
import type { RobustPlan } from './robust/plan.js';
import { crossGram } from './rotate.js';
import { addRotated, emptySums, fromRows, roundSums, type RowFactors } from './row-factors.js';
import { siloDiagnostics } from './silo-diagnostics.js';
import { distanceFromIdentity } from './small-matrix.js';
import { streamedErrors } from './streamed-errors.js';
import type { Factors, ModuleDiagnostics } from './types.js';

/** One module of a round, ready to be aligned and combined. */
export interface ModuleWork {
  readonly data: ModuleData;
  readonly grams: ModuleGrams;
  readonly algebra: ErrorAlgebra;
  readonly view: ModuleView;
}

export interface CombinedModule {
  readonly factors: Factors;
  readonly merge?: Merge;
  /** Undefined where the server does not know the silos' products. */
  readonly squared: SquaredErrors | undefined;
  readonly diagnostics: ModuleDiagnostics;
}

export function moduleWork(kernels: Kernels, data: ModuleData, round: number, random: Random): ModuleWork {
  const { layout, weights } = data;
  const exact = weights.length * layout.r <= EXACT_RANK;
  const grams = moduleGrams(kernels, data);
  const algebra = exact ? exactErrors(kernels, data) : streamedErrors(kernels, data, random, grams);
  return { data, grams, algebra, view: viewOf(kernels, data, grams, algebra, round, random) };
}

function viewOf(
  kernels: Kernels,
  data: ModuleData,
  grams: ModuleGrams,
  algebra: ErrorAlgebra,
  round: number,
  random: Random,
): ModuleView {
  const { r, in: inputs, out } = data.layout;
  return {
    round,
    r,
    in: inputs,
    out,
    silos: data.weights.length,
    weights: data.weights,
    previous: data.previous,
    random,
    kernels,
    factors: (silo) => data.factors(silo),
    crossGrams: (side, reference) =>
      data.weights.map((_, i) =>
        reference ? crossGram(data.factors(i), reference, side, kernels) : grams.cross(i, side),
      ),
    mean: (rotations) => algebra.mean(rotations),
    leastError: (candidates) => algebra.leastError(candidates),
  };
}

/** Combines one module's aligned factors, publishes what the method makes of them, and measures what came out. */
export function combineModule(
  kernels: Kernels,
  { data, grams, algebra, view }: ModuleWork,
  method: ConfiguredMethod,
  alignment: Alignment,
  robust: RobustPlan | undefined,
): CombinedModule {
  const plainMean = !robust && !alignment.weights;
  const mean = plainMean ? algebra.mean(alignment.rotations) : otherMean(kernels, data, alignment, robust);
  const { factors, merge } = method.publish(view, mean);
  const judged: Judged =
    plainMean && factors === mean ? { factors, rotations: alignment.rotations } : { factors };
  const measured = data.productsKnown ? algebra.errors(judged) : undefined;
  // What silos merge makes up for what the factors miss.
  const squared = measured && merge ? { ...measured, method: 0 } : measured;
  const silos = siloDiagnostics(data, grams, measured && algebra.meanProduct());
  data.release(); // what is merged is read again when it is written
  return {
    factors: fromRows(factors),
    ...(merge ? { merge } : {}),
    squared,
    diagnostics: {
      module: data.layout.module,
      ...relativeErrors(squared),
      squaredError: squared?.method ?? 0,
      ...(alignment.lambda === undefined ? {} : { lambda: alignment.lambda }),
      rotation: alignment.rotations.map((rotation) =>
        rotation ? distanceFromIdentity(rotation, data.layout.r) : 0,
      ),
      silos,
    },
  };
}

/** A combination of the aligned factors with other weights, or by the robust plan. */
function otherMean(
  kernels: Kernels,
  data: ModuleData,
  { rotations, weights = data.weights }: Alignment,
  robust: RobustPlan | undefined,
): RowFactors {
  if (!robust) {
    const sums = emptySums(data.layout);
    weights.forEach((weight, i) => addRotated(kernels, sums, weight, rotations[i], data.factors(i)));
    return roundSums(sums, data.layout);
  }
  const result: { a: Float32Array; bt: Float32Array } = { a: data.previous.a, bt: data.previous.bt };
  for (const { side, tensor } of alignedFactors(kernels, data, rotations))
    result[side] = Float32Array.from(combineRobustly(tensor, robust));
  const { r, in: inputs, out } = data.layout;
  return { r, in: inputs, out, ...result };
}

type RelativeErrors = Pick<
  ModuleDiagnostics,
  'aggregationError' | 'aggregationErrorFedit' | 'aggregationErrorBound'
>;

/** √(square / target), null where there is nothing to relate to. */
export function relativeErrors(squared: SquaredErrors | undefined): RelativeErrors {
  const relative = (square: number): number | null =>
    squared && squared.target > 0 ? Math.sqrt(Math.max(0, square) / squared.target) : null;
  return {
    aggregationError: relative(squared?.method ?? 0),
    aggregationErrorFedit: relative(squared?.fedit ?? 0),
    aggregationErrorBound: relative(squared?.bound ?? 0),
  };
}
