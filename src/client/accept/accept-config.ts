import { z } from 'zod';

/** Names with `*` for anything. */
const patterns = z.array(z.string().min(1)).min(1);

/** What a silo does without asking; everything else waits for `fedrot consent`. */
export const acceptSchema = z.strictObject({
  runs: patterns.default(['*']).describe('ids of runs; * stands for anything'),
  bundles: patterns.default(['*']).describe('bundles by SHA-256; * stands for anything'),
  signers: patterns
    .default(['*'])
    .describe('whose signatures on bundles count; * is every signer of the consortium'),
  methods: patterns.default(['*']).describe('aggregation methods'),
  maxRank: z.int().min(1).default(256).describe('largest rank of the factors'),
  maxLocalSteps: z.int().min(1).default(10_000).describe('most optimizer steps in a round'),
  maxBatchSize: z.int().min(1).default(1024).describe('most examples in a step'),
  maxTokens: z.int().min(4).default(8192).describe('longest text, tokens'),
  maxRounds: z.int().min(1).default(10_000).describe('most rounds'),
  maxLearningRate: z.number().positive().default(1).describe('largest learning rate'),
  modulesToSave: patterns.default(['*']).describe('modules that may be trained in full'),
});

export type AcceptRules = Readonly<z.output<typeof acceptSchema>>;
