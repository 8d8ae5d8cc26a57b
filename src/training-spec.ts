import { z } from 'zod';

/** How a silo trains: optimizer, schedule of its rate, and what a round's local training is made of. */

const adamw = z.strictObject({
  kind: z.literal('adamw').describe('AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101)'),
  learningRate: z.number().positive().max(10).default(5e-4).describe('step size'),
  beta1: z.number().min(0).lt(1).default(0.9).describe('decay of the first moment'),
  beta2: z.number().min(0).lt(1).default(0.999).describe('decay of the second moment'),
  epsilon: z.number().positive().default(1e-8).describe('added to the root of the second moment'),
  weightDecay: z.number().min(0).max(10).default(0).describe('decoupled weight decay'),
});

const sgd = z.strictObject({
  kind: z.literal('sgd').describe('stochastic gradient descent'),
  learningRate: z.number().positive().max(100).default(0.05).describe('step size'),
  momentum: z.number().min(0).lt(1).default(0).describe('momentum'),
  weightDecay: z.number().min(0).max(10).default(0).describe('weight decay, added to the gradient'),
});

export const optimizerSchema = z.discriminatedUnion('kind', [adamw, sgd]);

export const scheduleSchema = z.strictObject({
  kind: z.enum(['constant', 'linear', 'cosine']).default('constant').describe('shape after the warm-up'),
  warmupSteps: z.int().min(0).default(0).describe('steps over which the rate rises from 0'),
  finalFactor: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('share of the rate that is left at the end of linear and cosine'),
  over: z
    .enum(['run', 'round'])
    .default('run')
    .describe('falls once over all rounds of the run, or anew in every round'),
});

export const trainingSchema = z.strictObject({
  optimizer: optimizerSchema.prefault({ kind: 'adamw' }).describe('how a silo trains'),
  start: z
    .enum(['own', 'finished'])
    .optional()
    .describe(
      'silos begin round 1 not from the published adapter but from adapters of their own (`adapter` in their configuration, else drawn by each for itself): `own` trains on from them, `finished` sends them as they are. For methods that average both factors; one that aligns in round 1 (fedrot-exact, fedrot-consensus, fedrot with start consensus) is needed to bring them together',
    ),
  batchSize: z.int().min(1).max(4096).default(16).describe('examples that are computed together'),
  gradientAccumulation: z
    .int()
    .min(1)
    .max(4096)
    .default(1)
    .describe(
      'batches whose gradients make one step: as a batch so many times as large, in the memory of one',
    ),
  localSteps: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(20)
    .describe('optimizer steps in a round; examples are drawn in shuffled epochs'),
  maxLocalEpochs: z
    .number()
    .positive()
    .max(1_000_000)
    .optional()
    .describe(
      'a silo ends its round sooner, after so many passes over its examples (rounded up to whole steps); no limit by default',
    ),
  maxLocalSeconds: z
    .number()
    .positive()
    .max(30 * 86_400)
    .optional()
    .describe(
      'a silo ends its round sooner, with the step under way after so many seconds of training; no limit by default. Results then depend on the speed of the machine',
    ),
  schedule: scheduleSchema.prefault({}).describe('how the learning rate changes'),
  maxGradientNorm: z
    .number()
    .positive()
    .optional()
    .describe('the gradients of a step are scaled down to this Euclidean norm; no limit by default'),
  proximal: z
    .number()
    .min(0)
    .default(0)
    .describe('FedProx (1812.06127): μ of μ/2 · ‖θ − θ_global‖², added to the loss that is minimised'),
});
