import { z } from 'zod';
import { PLAIN_FILE_NAME } from '../bundle-names.js';
import { SHA256 } from '../name.js';

const fileName = z.string().regex(PLAIN_FILE_NAME, 'must be a plain file name');
const sha256 = z.string().regex(SHA256, 'must be a SHA-256 in hex');
const count = z.int().min(0);
const size = z.int().min(1);
const moduleName = z.string().min(1).max(400);

const fileEntry = z.strictObject({ name: fileName, bytes: count, sha256 });

const adaptableModule = z.strictObject({
  name: moduleName,
  in: size,
  out: size,
  weight: z.strictObject({
    initializer: z.string().min(1),
    layout: z.enum(['in_out', 'out_in']),
    firstOutput: count.exactOptional(),
  }),
});

const denseModule = z.strictObject({
  name: moduleName,
  tensors: z
    .array(
      z.strictObject({
        parameter: z.string().min(1),
        initializer: z.string().min(1),
        shape: z.array(size),
        transposed: z.boolean(),
      }),
    )
    .min(1),
});

/** What the graph's logits mean, and whether they are scores of classes that have names. */
export const TASK_LABELLED = {
  /** One class for a text or a pair of texts: batch × labels. */
  'text-classification': true,
  /** One number for a text or a pair of texts: batch × 1. */
  'text-regression': false,
  /** One class for each token: batch × sequence × labels. */
  'token-classification': true,
  /** The next token at each position: batch × sequence × vocabulary. */
  'causal-lm': false,
} as const;

const taskEntry = z
  .strictObject({
    kind: z.enum(Object.keys(TASK_LABELLED) as (keyof typeof TASK_LABELLED)[]),
    /** In the order of the class index; empty where the task has no classes. */
    labels: z.array(z.string().min(1)),
  })
  .refine(({ kind, labels }) => (TASK_LABELLED[kind] ? labels.length >= 2 : labels.length === 0), {
    error: 'a task with classes needs at least 2, one without has none',
    path: ['labels'],
  });

/** manifest.json: docs/bundle.md explains every key. */
export const bundleManifestSchema = z.strictObject({
  format: z.literal('fedrot-bundle'),
  version: z.literal(1, { error: 'is not a version of the bundle format that this software reads (1)' }),
  /** What made it, e.g. `fedrot 0.1.0`. */
  software: z.string(),
  /** Every file of the bundle but the manifest, in order of name. */
  files: z.array(fileEntry).min(1),
  task: taskEntry,
  model: z.strictObject({
    file: fileName,
    inputs: z.array(
      z.strictObject({ name: z.string(), type: z.string(), dims: z.array(z.union([z.string(), count])) }),
    ),
    output: z.string(),
    /** `mean`: the classifier reads the mean of all tokens' vectors; absent: what transformers' model, or the export, does. */
    pooling: z.literal('mean').exactOptional(),
    /** The longest sequence, special tokens included. */
    maxTokens: size,
    /** How linear weights are packed; null for full precision. */
    quantization: z
      .strictObject({ bits: z.literal([4, 8]), block: z.literal([32, 64, 128]) })
      .nullable()
      .default(null),
  }),
  tokenizer: z.strictObject({
    padId: count,
    specialTokens: count,
    specialTokensPair: count,
    /** Tokens that end a text: a language model learns to write one, and generation stops there. */
    endIds: z.array(count).default([]),
  }),
  base: z.strictObject({
    /**
     * What the operator calls the base model, as one would look it up on a hub; null where nothing was said.
     */
    name: z.string().nullable(),
    /** config.json's model_type: which importer built the graph. */
    architecture: z.string(),
    /** The checkpoint's weight files. */
    weights: z.array(fileEntry).min(1),
    /**
     * What the checkpoint's config.json says of its origin (_name_or_path); a hint, often an ancestor. Null
     * for a path.
     */
    configName: z.string().nullable(),
  }),
  modules: z.strictObject({
    /** Linear modules that LoRA can adapt. */
    adaptable: z.array(adaptableModule),
    /** Modules that can be trained in full. */
    dense: z.array(denseModule),
    /** The task's head, as modules_to_save names it. */
    head: z.array(moduleName),
    /** Modules drawn at random because the checkpoint has none, and the seed they came from. */
    made: z.strictObject({ seed: count, names: z.array(moduleName).min(1) }).nullable(),
  }),
});

export type BundleManifest = Readonly<z.output<typeof bundleManifestSchema>>;
export type BundleFile = BundleManifest['files'][number];
