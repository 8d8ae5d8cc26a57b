import { z } from 'zod';
import { defineMethod } from '../method.js';

const optionsSchema = z.strictObject({
  first: z
    .enum(['a', 'b'])
    .default('b')
    .describe(
      'what round 1 trains; with B = 0 at the start the gradient of A is zero, so `a` makes sense only for an adapter that has a B',
    ),
});

/**
 * RoLoRA (Chen et al., arXiv 2502.01755): rounds alternate, one trains, sends and averages only B, the next one only A. With the
 * other factor the same everywhere either mean is exact.
 */
export const rolora = defineMethod({
  name: 'rolora',
  source: 'arXiv 2502.01755',
  options: optionsSchema,
  allows: { serverOptimizer: true, robust: true },
  instructions({ first }, round) {
    const second = first === 'a' ? 'b' : 'a';
    const side = round % 2 === 1 ? first : second;
    return { train: side, share: side };
  },
});
