import type { RobustSpec } from '../run-spec.js';
import type { Kernels } from './kernels.js';
import type { Alignment, ConfiguredMethod } from './method.js';
import type { ModuleWork } from './open-module.js';
import { addProducts } from './robust/combine.js';
import { alignedFactors, type AlignedTensor } from './robust/deviations.js';
import { neededProducts, robustPlan, type RobustPlan } from './robust/plan.js';

/** What has to be known of all modules before the first is combined. */
export interface Survey {
  readonly plan: RobustPlan;
  /** Of each module, where it was found on the way. */
  readonly alignments: readonly (Alignment | undefined)[];
}

/** A first pass over all modules and dense tensors, as far as robust combination judges whole updates. */
export function survey(
  kernels: Kernels,
  robust: RobustSpec,
  method: ConfiguredMethod,
  modules: readonly (() => ModuleWork)[],
  dense: readonly AlignedTensor[],
  weights: readonly number[],
): Survey {
  const needed = neededProducts(robust);
  const products = new Float64Array(needed === 'none' ? 0 : weights.length ** 2);
  if (needed === 'none') return { plan: robustPlan(robust, weights, products), alignments: [] };
  const alignments = modules.map((open) => {
    const { data, view } = open();
    const alignment = method.align(view);
    for (const { tensor } of alignedFactors(kernels, data, alignment.rotations))
      addProducts(kernels, products, tensor, needed);
    return alignment;
  });
  for (const tensor of dense) addProducts(kernels, products, tensor, needed);
  return { plan: robustPlan(robust, weights, products), alignments };
}
