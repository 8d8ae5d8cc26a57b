import { z } from 'zod';
import { bestRank, withIdleRows } from '../best-rank.js';
import type { Kernels } from '../kernels.js';
import { defineMethod } from '../method.js';
import { nearestOrthogonal } from '../procrustes.js';
import { largestNorm, meanProductOf } from '../product-sum.js';
import { crossGram, NOISE } from '../rotate.js';
import type { RowFactors } from '../row-factors.js';
import { identity } from '../small-matrix.js';

/** R in O(r) with ‖Rᵀ Ã − Ā‖² + ‖B̃ R − B̄‖² least; I where there is nothing to turn. */
function towards(kernels: Kernels, best: RowFactors, reference: RowFactors): Float64Array {
  const { r } = reference;
  if (best.r === 0) return identity(r);
  const sides = (['a', 'b'] as const).map((side) => crossGram(best, reference, side, kernels));
  const m = new Float64Array(r * r); // the rows beyond best.r are zero
  for (const side of sides) side.m.forEach((value, i) => (m[i]! += value));
  return nearestOrthogonal(m, r, 'O', NOISE * sides.reduce((sum, { scale }) => sum + scale, 0));
}

/**
 * The best rank r of ΔW* (Eckart & Young 1936), then turned so that its factors are nearest to the published ones: no method of rank r
 * has a smaller aggregation error, and the basis that silos' optimizers know does not jump from round to round.
 */
export const fedrotExact = defineMethod({
  name: 'fedrot-exact',
  source: 'this project; Eckart & Young 1936',
  options: z.strictObject({}),
  allows: { ownRank: 'svd', stale: 'rotated', serverOptimizer: true, robust: false },
  instructions: () => ({ train: 'both', ownRank: 'svd' }),
  publish(module) {
    const { kernels, r, previous } = module;
    const best = bestRank(kernels, meanProductOf(module), r);
    const rotation = towards(kernels, best, previous);
    return { factors: withIdleRows(kernels, best, r, rotation, previous.a, largestNorm(module)) };
  },
});
