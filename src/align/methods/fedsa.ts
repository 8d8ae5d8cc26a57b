import { z } from 'zod';
import { defineMethod } from '../method.js';

/**
 * FedSA-LoRA (Guo et al., arXiv 2410.01463): both factors are trained, only A is sent and averaged; every silo goes on with its own
 * B. The server never learns B, so it knows no ΔW* and no errors, and the published B stays that of the start.
 */
export const fedsa = defineMethod({
  name: 'fedsa',
  source: 'arXiv 2410.01463',
  options: z.strictObject({}),
  allows: { stale: 'plain', serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'both', share: 'a' }),
});
