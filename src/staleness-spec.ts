import { z } from 'zod';

/** What becomes of updates that do not begin from the newest version (docs/methods.md). */

/** s(τ): how much of an update counts that began τ versions before the newest one. */
const stalenessWeightSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z
      .literal('polynomial')
      .describe('(1 + τ)^−exponent (FedAsync, arXiv 1903.03934; FedBuff takes 0.5)'),
    exponent: z.number().min(0).max(10).default(0.5).describe('a: the larger, the less old updates count'),
  }),
  z.strictObject({ kind: z.literal('constant').describe('1, however old') }),
  z.strictObject({
    kind: z
      .literal('hinge')
      .describe('1 up to τ = free, then 1 / (slope · (τ − free) + 1) (FedAsync, arXiv 1903.03934)'),
    free: z.int().min(0).max(1000).default(4).describe('b: versions without a loss of weight'),
    slope: z.number().positive().max(1000).default(10).describe('a: how fast it falls after that'),
  }),
]);

export const stalenessSchema = z.strictObject({
  weight: stalenessWeightSchema
    .prefault({ kind: 'polynomial' })
    .describe('what of the step of an old update is taken, by how many versions it is old'),
  max: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'updates that would be more versions old are refused, and their tasks called off; 1 by default (the next round takes them), 20 in asynchronous mode',
    ),
});

export type StalenessSpec = Readonly<z.output<typeof stalenessSchema>>;
