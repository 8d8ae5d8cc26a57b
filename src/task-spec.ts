import { z } from 'zod';

/** What a model learns: `task` of a run's specification. */

const labels = z
  .array(z.string().min(1))
  .min(2)
  .max(100_000)
  .describe('class names; their order gives the class index');

const maxTokens = (otherwise: number): z.ZodDefault<z.ZodInt> =>
  z.int().min(4).max(131_072).default(otherwise).describe('tokens a text is cut to, special tokens included');

export const taskSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('text-classification').describe('one label for a text or a pair of texts'),
    labels,
    maxTokens: maxTokens(128),
  }),
  z.strictObject({
    kind: z
      .literal('text-regression')
      .describe('one number for a text or a pair of texts; mean squared error'),
    maxTokens: maxTokens(128),
  }),
  z.strictObject({
    kind: z.literal('token-classification').describe('one label for each word of a text'),
    labels,
    maxTokens: maxTokens(128),
  }),
  z.strictObject({
    kind: z.literal('causal-lm').describe('the next token, of plain texts or of prompts and completions'),
    maxTokens: maxTokens(256),
    prompt: z
      .enum(['mask', 'learn'])
      .default('mask')
      .describe('whether the tokens of prompts count towards the loss (learn) or only those of completions'),
    longTexts: z
      .enum(['split', 'cut'])
      .default('split')
      .describe(
        'what becomes of a plain text with more than maxTokens: pieces of that length, or its beginning',
      ),
  }),
]);
