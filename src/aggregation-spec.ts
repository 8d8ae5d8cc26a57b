import { z } from 'zod';

/** How updates become a version: `aggregation` of a run's specification. */

const serverRate = z
  .number()
  .positive()
  .max(100)
  .describe('step size of the server: by it the step is multiplied');

const beta1 = z.number().min(0).lt(1).default(0.9).describe('decay of the first moment');

const adaptive = {
  learningRate: serverRate.default(0.01),
  beta1,
  tau: z
    .number()
    .positive()
    .default(1e-3)
    .describe('added to the root of the second moment, which begins at tau²: the smaller, the more adaptive'),
};

const beta2 = z.number().min(0).lt(1).default(0.99).describe('decay of the second moment');

/** Reddi et al. 2021, Algorithm 2. The step Δ that the method made is treated as a gradient. */
export const serverOptimizerSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('fedavgm').describe('FedAvgM: momentum on the server (arXiv 1909.06335)'),
    learningRate: serverRate.default(1),
    momentum: z.number().min(0).lt(1).default(0.9).describe('momentum'),
  }),
  z.strictObject({ kind: z.literal('fedadagrad').describe('FedAdagrad (arXiv 2003.00295)'), ...adaptive }),
  z.strictObject({ kind: z.literal('fedadam').describe('FedAdam (arXiv 2003.00295)'), ...adaptive, beta2 }),
  z.strictObject({ kind: z.literal('fedyogi').describe('FedYogi (arXiv 2003.00295)'), ...adaptive, beta2 }),
]);

const byzantine = z
  .int()
  .min(0)
  .max(100_000)
  .describe('f: how many silos may be faulty; a round needs at least 2 f + 3 updates');

export const robustSchema = z.strictObject({
  clip: z
    .union([z.number().positive(), z.literal('median')])
    .optional()
    .describe(
      "first, updates (aligned factors minus the published ones, over all modules) longer than this are shortened to it; `median`: the median of the round's norms",
    ),
  combine: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('mean').describe('the weighted mean') }),
      z.strictObject({
        kind: z
          .literal('median')
          .describe('median of every coordinate, each silo counted once (arXiv 1803.01498)'),
      }),
      z.strictObject({
        kind: z
          .literal('trimmed-mean')
          .describe(
            'mean of every coordinate without its extremes, each silo counted once (arXiv 1803.01498)',
          ),
        fraction: z
          .number()
          .gt(0)
          .lt(0.5)
          .default(0.1)
          .describe('share of the silos left out at either end, rounded up'),
      }),
      z.strictObject({
        kind: z.literal('krum').describe('the one update nearest to its neighbours (arXiv 1703.02757)'),
        byzantine,
      }),
      z.strictObject({
        kind: z.literal('multi-krum').describe('weighted mean of the updates that Krum likes best'),
        byzantine,
        select: z.int().min(1).max(100_000).optional().describe('how many are averaged; N − f by default'),
      }),
    ])
    .default({ kind: 'mean' })
    .describe('then the updates are combined'),
});

export const aggregationSchema = z.strictObject({
  method: z.string().default('fedrot').describe('name of the aggregation method (docs/methods.md)'),
  options: z
    .record(z.string(), z.unknown())
    .default({})
    .describe("the method's options; the method itself checks them"),
  weighting: z
    .enum(['examples', 'uniform'])
    .default('examples')
    .describe("weight of a silo's update: by its number of examples, or all the same"),
  serverOptimizer: serverOptimizerSchema
    .optional()
    .describe(
      'an optimizer on the server that takes the round’s step; without it the result is published as it is',
    ),
  robust: robustSchema
    .optional()
    .describe(
      'how updates are combined where some may be faulty or hostile; without it by the weighted mean',
    ),
});
