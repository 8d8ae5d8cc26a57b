import { z } from 'zod';
import { FedrotError } from './errors.js';

/**
 * A run's specification: one schema for the operator's YAML, the coordinator's store and the task that a silo gets.
 * It travels as JSON (spec_json). Unknown keys are errors; defaults are filled in once, when the run is created.
 */

const name = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must be 1 to 63 of a-z 0-9 . _ -, beginning with a letter or digit');

const adamw = z.strictObject({
  kind: z.literal('adamw'),
  learningRate: z.number().positive().max(10).default(5e-4),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.999),
  epsilon: z.number().positive().default(1e-8),
  weightDecay: z.number().min(0).max(10).default(0),
});

const sgd = z.strictObject({
  kind: z.literal('sgd'),
  learningRate: z.number().positive().max(100).default(0.05),
  momentum: z.number().min(0).lt(1).default(0),
  weightDecay: z.number().min(0).max(10).default(0),
});

export const optimizerSchema = z.discriminatedUnion('kind', [adamw, sgd]);

export const loraSchema = z.strictObject({
  /** r: columns of B, rows of A. */
  rank: z.int().min(1).max(1024).default(8),
  /** The update is (alpha / rank) · B · A; alpha / √rank with rsLora. */
  alpha: z.number().positive().default(16),
  rsLora: z.boolean().default(false),
  dropout: z.number().min(0).lt(1).default(0),
  /** Module names or their suffixes, as PEFT's target_modules: `query` adapts every module whose last name is query. */
  targetModules: z.array(z.string().min(1)).min(1).default(['query', 'value']),
  /** Modules trained in full and averaged plainly (heads), by suffix. */
  modulesToSave: z.array(z.string().min(1)).default(['classifier']),
});

export const taskSchema = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('text-classification'),
    /** Class names; their order gives the class index. */
    labels: z.array(z.string().min(1)).min(2).max(100_000),
    /** Tokens a text is cut to, special tokens included. */
    maxTokens: z.int().min(4).max(131_072).default(128),
  }),
]);

export const trainingSchema = z.strictObject({
  optimizer: optimizerSchema.prefault({ kind: 'adamw' }),
  batchSize: z.int().min(1).max(4096).default(16),
  /** Optimizer steps in a round; examples are drawn in shuffled epochs. */
  localSteps: z.int().min(1).max(1_000_000).default(20),
});

export const roundsSchema = z.strictObject({
  /** How many rounds the run has. */
  count: z.int().min(1).max(100_000).default(10),
  /** A round starts when so many trainers are connected, and publishes with no fewer updates. */
  minSilos: z.int().min(1).max(100_000).default(2),
  /** After so long a round publishes what it has, or is tried again while it has fewer than minSilos updates. */
  deadlineMs: z
    .int()
    .min(100)
    .max(30 * 86_400_000)
    .default(30 * 60_000),
  /** How often a round that missed its quorum is tried before the run fails. */
  maxAttempts: z.int().min(1).max(1000).default(3),
});

export const aggregationSchema = z.strictObject({
  method: z.string().default('fedrot'),
  /** Checked by the method itself. */
  options: z.record(z.string(), z.unknown()).default({}),
  /** p_i by the silo's number of examples, or all the same. */
  weighting: z.enum(['examples', 'uniform']).default('examples'),
});

export const runSpecSchema = z.strictObject({
  name,
  /** The bundle (base model and tokenizer) by its SHA-256, hex. */
  bundle: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hex'),
  task: taskSchema,
  lora: loraSchema.prefault({}),
  training: trainingSchema.prefault({}),
  aggregation: aggregationSchema.prefault({}),
  rounds: roundsSchema.prefault({}),
  evaluation: z
    .strictObject({
      /** Evaluators score every so many versions (and the initial and the last one); 0 never. */
      every: z.int().min(0).default(1),
      /** The next round does not wait longer than this for evaluators. */
      timeoutMs: z
        .int()
        .min(100)
        .default(10 * 60_000),
    })
    .prefault({}),
  /** Element type of updates on the wire and in the spool. */
  wireDType: z.enum(['f32', 'f16', 'bf16']).default('f32'),
  seed: z.int().min(0).default(0),
});

export type RunSpec = Readonly<z.output<typeof runSpecSchema>>;
export type RunSpecInput = z.input<typeof runSpecSchema>;
export type LoraSpec = RunSpec['lora'];
export type TaskSpec = RunSpec['task'];
export type TrainingSpec = RunSpec['training'];
export type OptimizerSpec = z.output<typeof optimizerSchema>;

/** `a.b.0: what is wrong`, one entry an issue, so that one line says what and where. */
export function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      const where = issue.path.map(String).join('.') || '(top level)';
      return `${where}: ${issue.message}`;
    })
    .join('; ');
}

/** Any value as a RunSpec with defaults filled in. Throws config_unknown_key or config_invalid; `where` names the file. */
export function parseRunSpec(value: unknown, where = 'run specification'): RunSpec {
  const parsed = runSpecSchema.safeParse(value);
  if (parsed.success) return Object.freeze(parsed.data);
  const unknown = parsed.error.issues.some((issue) => issue.code === 'unrecognized_keys');
  throw new FedrotError(
    unknown ? 'config_unknown_key' : 'config_invalid',
    `${where}: ${describeIssues(parsed.error)}`,
  );
}

/** The factor before B · A: alpha / r, or alpha / √r (rsLoRA, arXiv 2312.03732). */
export function loraScale(lora: Pick<LoraSpec, 'rank' | 'alpha' | 'rsLora'>): number {
  return lora.alpha / (lora.rsLora ? Math.sqrt(lora.rank) : lora.rank);
}
