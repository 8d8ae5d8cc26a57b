import { z } from 'zod';
import { columnsSchema, DATA_FORMATS } from '../client/data/data-config.js';
import { FedrotError } from '../errors.js';
import { POOLINGS } from '../model/architectures/pooling.js';
import { robustSchema, serverOptimizerSchema } from '../aggregation-spec.js';
import { readConfig } from '../read-config.js';
import { optimizerSchema, scheduleSchema } from '../training-spec.js';

/** What `fedrot simulate` is told: every key that takes a list is an axis of a grid (docs/simulate.md). */

/** One value or several. */
const axis = <T extends z.ZodType>(item: T) =>
  z
    .union([item, z.array(item).min(1)])
    .transform((value) => (Array.isArray(value) ? value : [value]) as z.output<T>[]);

const label = z.string().min(1).max(100);

const partitionSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('iid') }),
  z.strictObject({ kind: z.literal('dirichlet'), alpha: z.number().positive().max(1e6).default(0.5) }),
  z.strictObject({ kind: z.literal('shards'), perSilo: z.int().min(1).max(1000).default(2) }),
  z.strictObject({ kind: z.literal('field'), field: label }),
]);

export type PartitionSpec = Readonly<z.output<typeof partitionSchema>>;

const dataSchema = z.strictObject({
  name: label,
  train: z.string().min(1),
  test: z.string().min(1),
  format: z.enum(DATA_FORMATS).default('auto'),
  columns: columnsSchema.prefault({}),
  /** Take so many of the examples, drawn at random with the same rates of labels; default all. */
  maxTrain: z.int().min(1).optional(),
  maxTest: z.int().min(1).optional(),
  /** Tokens a text is cut to. */
  maxTokens: z.int().min(4).max(131_072).default(128),
});

const methodSchema = z
  .union([
    label,
    z.strictObject({
      method: label,
      options: z.record(z.string(), z.unknown()).default({}),
      /** What tables and charts call it; default method and options. */
      name: label.optional(),
    }),
  ])
  .transform((value) => {
    const { method, options, name } =
      typeof value === 'string' ? { method: value, options: {}, name: undefined } : value;
    const settings = Object.entries(options).map(([key, one]) => `${key} ${String(one)}`);
    return { method, options, name: name ?? [method, ...settings].join(', ') };
  });

const studySchema = z.strictObject({
  name: label,
  /** A bundle folder, or a checkpoint folder that bundles with each data set's labels are made of. */
  model: z
    .strictObject({
      bundle: z.string().min(1).optional(),
      checkpoint: z.string().min(1).optional(),
      tokenizer: z.string().min(1).optional(),
      /** `new`: not the checkpoint's head, even where it has one. */
      head: z.enum(['auto', 'new']).default('auto'),
      /** What a new head reads: the first token, or the mean of all (all-MiniLM and other sentence encoders). */
      pooling: z.enum(POOLINGS).default('cls'),
      seed: z.int().min(0).default(0),
    })
    .refine(({ bundle, checkpoint }) => (bundle === undefined) !== (checkpoint === undefined), {
      error: 'give either bundle or checkpoint',
    }),
  data: axis(dataSchema),
  partition: axis(partitionSchema).prefault({ kind: 'dirichlet', alpha: 0.5 }),
  /** A silo that a draw leaves with fewer gets examples of the largest one. */
  minExamples: z.int().min(1).default(1),
  silos: axis(z.int().min(1).max(100_000)).prefault(10),
  /** Share of the silos that take part in a round, drawn anew for each. */
  fraction: axis(z.number().gt(0).max(1)).prefault(1),
  /** A list of names, or several such lists. */
  targetModules: z
    .union([z.array(z.string().min(1)).min(1), z.array(z.array(z.string().min(1)).min(1)).min(1)])
    .transform((value) => (Array.isArray(value[0]) ? (value as string[][]) : [value as string[]]))
    .optional(),
  modulesToSave: z.array(z.string().min(1)).default(['classifier']),
  rank: axis(z.int().min(1).max(1024)).prefault(4),
  /** alpha / rank: so that the scale is the same for every rank. */
  scale: axis(z.number().positive()).prefault(2),
  rsLora: z.boolean().default(false),
  /**
   * Ranks that silos train with, given to them in turn; a list, or several such lists. One that is not below the run's changes nothing;
   * default the run's for all.
   */
  siloRanks: z
    .union([z.array(z.int().min(1)).min(1), z.array(z.array(z.int().min(1)).min(1)).min(1)])
    .transform((value) => (Array.isArray(value[0]) ? (value as number[][]) : [value as number[]]))
    .optional(),
  methods: axis(methodSchema).prefault(['fedit', 'fedrot']),
  /** The method that the others are compared with, by its name in tables. */
  baseline: label.default('fedit'),
  serverOptimizer: axis(serverOptimizerSchema.nullable()).prefault([null]),
  robust: axis(robustSchema.nullable()).prefault([null]),
  weighting: axis(z.enum(['examples', 'uniform'])).prefault('examples'),
  optimizer: axis(optimizerSchema).prefault({ kind: 'adamw' }),
  /** Replaces the optimizers' own. */
  learningRate: axis(z.number().positive().max(100)).optional(),
  schedule: scheduleSchema.prefault({}),
  batchSize: axis(z.int().min(1).max(4096)).prefault(16),
  localSteps: axis(z.int().min(1).max(1_000_000)).prefault(20),
  rounds: axis(z.int().min(1).max(100_000)).prefault(10),
  /** `own`: in round 1 every silo starts from an A of its own draw instead of the common one. */
  start: axis(z.enum(['common', 'own'])).prefault('common'),
  /** Every upload is turned by a random rotation of its own: the control. */
  scramble: axis(z.boolean()).prefault(false),
  seeds: axis(z.int().min(0)).prefault(0),
  evaluation: z
    .strictObject({
      /** Every so many rounds, and after the first and the last. */
      every: z.int().min(1).default(1),
      /** Share of every silo's examples that it keeps from training and is scored on: how fair the model is to each. */
      perSilo: z.number().min(0).max(0.9).default(0),
    })
    .prefault({}),
});

export type Study = Readonly<z.output<typeof studySchema>>;
export type DataSpec = Study['data'][number];

/** Any value as a Study with defaults filled in. Throws config_unknown_key or config_invalid; `where` names the file. */
export function parseStudy(value: unknown, where = 'study'): Study {
  const study = readConfig(studySchema, value, where);
  const names = study.methods.map(({ name }) => name);
  for (const [what, list] of [
    ['methods', names],
    ['data', study.data.map(({ name }) => name)],
  ] as const) {
    const twice = list.find((name, i) => list.indexOf(name) !== i);
    if (twice !== undefined)
      throw new FedrotError('config_invalid', `${where}: ${what}: ${JSON.stringify(twice)} comes twice`);
  }
  return study;
}
