import type { Kernels } from './kernels.js';
import type { Alignment, ConfiguredMethod, Merge } from './method.js';
import type { ModuleData } from './module-data.js';
import { weightedMean, type ModuleWork } from './open-module.js';
import { alignedFactors } from './robust/deviations.js';
import { combineRobustly } from './robust/combine.js';
import type { RobustPlan } from './robust/plan.js';
import type { RowFactors } from './row-factors.js';

/** What a method makes of one module's updates. */
export interface CombinedModule {
  readonly alignment: Alignment;
  readonly factors: RowFactors;
  readonly merge?: Merge;
  /** Whether the factors are nothing but the mean of the rotated updates, with the run's weights: errors are then more exact. */
  readonly isMean: boolean;
}

/** Combines one module's aligned factors: what the method publishes of them, and nothing that only measures. */
export function combineModule(
  kernels: Kernels,
  { data, view }: ModuleWork,
  method: ConfiguredMethod,
  alignment: Alignment,
  robust: RobustPlan | undefined,
): CombinedModule {
  const plainMean = !robust && !alignment.weights;
  const mean = plainMean ? view.mean(alignment.rotations) : otherMean(kernels, data, alignment, robust);
  const { factors, merge } = method.publish(view, mean);
  return { alignment, factors, ...(merge ? { merge } : {}), isMean: plainMean && factors === mean };
}

/** A combination of the aligned factors with other weights, or by the robust plan. */
function otherMean(
  kernels: Kernels,
  data: ModuleData,
  { rotations, weights }: Alignment,
  robust: RobustPlan | undefined,
): RowFactors {
  if (!robust) return weightedMean(kernels, data, rotations, weights);
  const result: { a: Float32Array; bt: Float32Array } = { a: data.previous.a, bt: data.previous.bt };
  for (const { side, tensor } of alignedFactors(kernels, data, rotations))
    result[side] = Float32Array.from(combineRobustly(tensor, robust));
  const { r, in: inputs, out } = data.layout;
  return { r, in: inputs, out, ...result };
}
