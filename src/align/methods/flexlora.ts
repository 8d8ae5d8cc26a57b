import { z } from 'zod';
import { bestRank, withIdleRows } from '../best-rank.js';
import { defineMethod } from '../method.js';
import { largestNorm, meanProductOf } from '../product-sum.js';
import { identity } from '../small-matrix.js';

/**
 * FlexLoRA (Bai et al., arXiv 2402.11505): the best rank r of ΔW* by a truncated SVD, B̃ = U √Σ and Ã = √Σ Vᵀ, so that silos of a
 * smaller rank take the first rows and columns. The basis is that of the SVD, whatever the silos' optimizers knew before.
 */
export const flexlora = defineMethod({
  name: 'flexlora',
  source: 'arXiv 2402.11505',
  options: z.strictObject({}),
  allows: { ownRank: 'rows', stale: 'rotated', serverOptimizer: true, robust: false },
  instructions: () => ({ train: 'both', ownRank: 'rows' }),
  publish(module) {
    const { kernels, r, previous } = module;
    const best = bestRank(kernels, meanProductOf(module), r);
    return { factors: withIdleRows(kernels, best, r, identity(r), previous.a, largestNorm(module)) };
  },
});
