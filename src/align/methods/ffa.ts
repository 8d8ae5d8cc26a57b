import { z } from 'zod';
import { defineMethod } from '../method.js';

/**
 * FFA-LoRA (Sun et al., arXiv 2403.12313): A stays as it was drawn at the start, only B is trained, sent and averaged. The mean of
 * the B_i is then exact: Σ p_i B_i A = B̄ A.
 */
export const ffa = defineMethod({
  name: 'ffa',
  source: 'arXiv 2403.12313',
  options: z.strictObject({}),
  allows: { stale: 'plain', serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'b', share: 'b' }),
});
