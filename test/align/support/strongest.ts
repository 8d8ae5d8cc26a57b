import { z } from 'zod';
import { defineMethod } from '../../../src/align/method.js';
import { rotationOf } from '../../../src/align/rotate.js';

const optionsSchema = z.strictObject({
  side: z.enum(['a', 'b']).default('a').describe('the factor that is aligned'),
});

/** Every silo is rotated to the silo with the largest weight instead of to the published factors; then the factors are averaged. */
export const strongest = defineMethod({
  name: 'strongest',
  source: 'an example',
  options: optionsSchema,
  allows: { serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'both' }),
  align(module, { side }) {
    const anchor = module.weights.indexOf(Math.max(...module.weights));
    const grams = module.crossGrams(side, module.factors(anchor));
    return { rotations: grams.map((gram) => rotationOf(gram, module.r, true)) };
  },
});
