import type { Random } from '../random.js';
import type { ErrorAlgebra, SquaredErrors } from './errors.js';
import { exactErrors } from './exact-errors.js';
import type { Kernels } from './kernels.js';
import type { Alignment, ConfiguredMethod, ModuleView } from './method.js';
import { EXACT_RANK, type ModuleData } from './module-data.js';
import { crossGram } from './rotate.js';
import { fromRows } from './row-factors.js';
import { distanceFromIdentity } from './small-matrix.js';
import { streamedErrors } from './streamed-errors.js';
import type { Factors, ModuleDiagnostics } from './types.js';

export interface CombinedModule {
  readonly factors: Factors;
  readonly squared: SquaredErrors;
  readonly diagnostics: ModuleDiagnostics;
}

/** Aligns and averages one module's factors, and measures what came out. */
export function combineModule(
  kernels: Kernels,
  data: ModuleData,
  method: ConfiguredMethod,
  round: number,
  random: Random,
): CombinedModule {
  const { layout, weights } = data;
  const algebra =
    weights.length * layout.r <= EXACT_RANK
      ? exactErrors(kernels, data)
      : streamedErrors(kernels, data, random);
  const alignment = method.align(viewOf(kernels, data, algebra, round));
  const factors = fromRows(algebra.mean(alignment.rotations));
  const squared = algebra.errors(alignment.rotations);
  return { factors, squared, diagnostics: diagnosticsOf(layout.module, layout.r, alignment, squared) };
}

function viewOf(kernels: Kernels, data: ModuleData, algebra: ErrorAlgebra, round: number): ModuleView {
  const silos = data.weights.length;
  return {
    round,
    r: data.layout.r,
    silos,
    crossGrams: (side) =>
      data.weights.map((_, i) => crossGram(data.factors(i), data.previous, side, kernels)),
    leastError: (candidates) => algebra.leastError(candidates),
  };
}

/** √(square / target), null where there is nothing to relate to. */
export function relativeError(square: number, target: number): number | null {
  return target > 0 ? Math.sqrt(square / target) : null;
}

function diagnosticsOf(
  module: string,
  r: number,
  { rotations, lambda }: Alignment,
  squared: SquaredErrors,
): ModuleDiagnostics {
  return {
    module,
    aggregationError: relativeError(squared.method, squared.target),
    aggregationErrorFedit: relativeError(squared.fedit, squared.target),
    squaredError: squared.method,
    ...(lambda === undefined ? {} : { lambda }),
    rotation: rotations.map((rotation) => (rotation ? distanceFromIdentity(rotation, r) : 0)),
  };
}
