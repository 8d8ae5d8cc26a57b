import { z } from 'zod';
import { defineMethod } from '../method.js';

/** FedIT (Zhang et al., arXiv 2305.05644): the factors are averaged as they come, Ā = Σ p_i A_i and B̄ = Σ p_i B_i. */
export const fedit = defineMethod({
  name: 'fedit',
  source: 'arXiv 2305.05644',
  options: z.strictObject({}),
  allows: { stale: 'plain', serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'both' }),
});
