import { z } from 'zod';
import { defineMethod } from '../method.js';
import { stackedFactors } from '../stacked-factors.js';

const minus = (x: Float32Array, y: Float32Array): Float32Array => x.map((value, i) => value - y[i]!);

/**
 * FedEx-LoRA (Singhal et al., arXiv 2410.09432): the factors are averaged, and what the average misses, ΔW* − B̄Ā, is sent too, for every
 * silo to add to its base. It is Σ p_i (B_i − B̄)(A_i − Ā): N blocks of rank r, in which nothing cancels.
 */
export const fedex = defineMethod({
  name: 'fedex',
  source: 'arXiv 2410.09432',
  options: z.strictObject({}),
  allows: { ownRank: 'rows', serverOptimizer: false, robust: false },
  instructions: () => ({ train: 'both', ownRank: 'rows', merge: true }),
  publish({ silos, weights, factors }, mean) {
    const residual = stackedFactors(mean, silos, (i) => {
      const { a, bt } = factors(i);
      return { weight: weights[i]!, factors: { a: minus(a, mean.a), bt: minus(bt, mean.bt) } };
    });
    return { factors: mean, merge: residual };
  },
});
