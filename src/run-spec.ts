import { z } from 'zod';
import { aggregationSchema, type robustSchema, type serverOptimizerSchema } from './aggregation-spec.js';
import { NAME, NAME_RULE, SHA256 } from './name.js';
import { readConfig } from './read-config.js';
import { stalenessSchema } from './staleness-spec.js';
import { taskSchema } from './task-spec.js';
import { trainingSchema, type optimizerSchema } from './training-spec.js';

/**
 * A run's specification: one schema for the operator's YAML, the coordinator's store and the task that a silo gets.
 * It travels as JSON (spec_json). Unknown keys are errors; defaults are filled in once, when the run is created.
 */

const name = z.string().regex(NAME, NAME_RULE);

const loraSchema = z.strictObject({
  rank: z.int().min(1).max(1024).default(8).describe('r: columns of B, rows of A'),
  alpha: z
    .number()
    .positive()
    .default(16)
    .describe('the update is (alpha / rank) · B · A; (alpha / √rank) · B · A with rsLora'),
  rsLora: z.boolean().default(false).describe('rank-stabilized scaling (arXiv 2312.03732)'),
  dropout: z.number().min(0).lt(1).default(0).describe('dropout on the input of A while training'),
  targetModules: z
    .array(z.string().min(1))
    .min(1)
    .default(['query', 'value'])
    .describe(
      'module names or their ends, as in PEFT: `query` adapts every module whose last name is query; `all-linear` all but the head; `/…/` a regular expression for the whole name',
    ),
  modulesToSave: z
    .array(z.string().min(1))
    .default(['classifier'])
    .describe('modules trained in full and averaged plainly (heads), by suffix; none for a language model'),
});

const roundsSchema = z.strictObject({
  count: z.int().min(1).max(100_000).default(10).describe('how many rounds the run has'),
  mode: z
    .enum(['sync', 'async'])
    .default('sync')
    .describe(
      '`sync`: all begin from the same version. `async`: buffered (FedBuff, arXiv 2106.06639): a version is published after every `updates` updates (`minSilos` by default), whatever versions they began from, and silos get new work as soon as they deliver; `ask` is how many work at once',
    ),
  late: z
    .enum(['refuse', 'carry'])
    .default('refuse')
    .describe(
      'what becomes of an update that is not in when its round closes: it is refused, or it counts in the next round, by `staleness`. In asynchronous mode no update is late',
    ),
  staleness: stalenessSchema
    .prefault({})
    .describe('updates that began from a version that is not the newest'),
  minSilos: z
    .int()
    .min(1)
    .max(100_000)
    .default(2)
    .describe('a round starts when so many trainers are connected, and publishes with no fewer updates'),
  deadlineMs: z
    .int()
    .min(100)
    .max(30 * 86_400_000)
    .default(30 * 60_000)
    .describe(
      'after so many milliseconds a round publishes what it has, or is tried again while it has fewer than minSilos updates',
    ),
  maxAttempts: z
    .int()
    .min(1)
    .max(1000)
    .default(3)
    .describe('how often a round that missed its quorum is tried before the run fails'),
  ask: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('a round asks so many of the connected trainers, chosen by `sampling`; all by default'),
  updates: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe(
      'a round closes as soon as so many updates are in; when everyone who was asked has answered by default. Fewer than `ask` is over-selection: the slowest are not waited for',
    ),
  sampling: z
    .enum(['uniform', 'examples', 'round-robin'])
    .default('uniform')
    .describe(
      'how `ask` silos are chosen: all alike, more often the more examples they have, or in turn; the same seed chooses the same ones',
    ),
  deadlineFactor: z
    .number()
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'a round ends at so many times the median time in which silos answered in the rounds before; deadlineMs is the longest, and that of the first round',
    ),
  setAside: z
    .strictObject({
      failures: z
        .int()
        .min(0)
        .max(1000)
        .default(3)
        .describe(
          'a silo that failed, or missed the deadline, so often in a row is not asked any more; 0 never',
        ),
      forMs: z
        .int()
        .min(1000)
        .max(30 * 86_400_000)
        .default(10 * 60_000)
        .describe('it is asked again after so many milliseconds, or when it connects anew'),
    })
    .prefault({})
    .describe('silos that fail again and again'),
});

/** What must hold between the keys of `rounds`. */
function checkRounds(
  { minSilos, ask, updates, mode }: z.output<typeof roundsSchema>,
  context: z.RefinementCtx,
): void {
  const refuse = (key: string, message: string): void => {
    context.addIssue({ code: 'custom', path: [key], message });
  };
  if (updates !== undefined && updates < minSilos)
    refuse('updates', `${updates} is fewer than minSilos (${minSilos}): no round could be published`);
  if (mode === 'sync' && ask !== undefined && ask < Math.max(minSilos, updates ?? 0))
    refuse(
      'ask',
      `${ask} is fewer than the updates that a round needs (${Math.max(minSilos, updates ?? 0)})`,
    );
}

export const runSpecSchema = z.strictObject({
  name: name.describe('name of the run; its id is made from it'),
  bundle: z
    .string()
    .regex(SHA256, 'must be a SHA-256 in hex')
    .describe('the bundle (base model and tokenizer) by its SHA-256, hex'),
  task: taskSchema.describe('what the model learns'),
  lora: loraSchema.prefault({}),
  training: trainingSchema.prefault({}),
  aggregation: aggregationSchema.prefault({}),
  rounds: roundsSchema.prefault({}).superRefine(checkRounds),
  evaluation: z
    .strictObject({
      every: z
        .int()
        .min(0)
        .default(1)
        .describe('evaluators score every so many versions, and the initial and the last one; 0 never'),
      timeoutMs: z
        .int()
        .min(100)
        .default(10 * 60_000)
        .describe('the next round does not wait longer than so many milliseconds for evaluators'),
      trainers: z
        .boolean()
        .optional()
        .describe(
          'trainers score every such version too, each on the validation examples that it keeps (data.validationFraction or data.test): accuracy by silo. One that keeps none reports that it cannot',
        ),
      stop: z
        .strictObject({
          patience: z
            .int()
            .min(1)
            .max(100_000)
            .describe(
              'the run ends when so many scored versions in a row were no better than the best before',
            ),
          minDelta: z
            .number()
            .min(0)
            .default(0)
            .describe(
              'better means by more than this: accuracy, 0 to 1, or nats where a task has no accuracy',
            ),
        })
        .optional()
        .describe('ends a run before its last round; without it all rounds are run'),
    })
    .refine(({ every, stop }) => stop === undefined || every > 0, {
      path: ['stop'],
      message: 'needs versions that are scored: evaluation.every must be at least 1',
    })
    .prefault({}),
  wireDType: z
    .enum(['f32', 'f16', 'bf16'])
    .default('f32')
    .describe('element type of updates on the wire and in the spool'),
  seed: z.int().min(0).default(0).describe('everything random derives from it'),
  share: z
    .number()
    .min(0.01)
    .max(100)
    .default(1)
    .describe(
      'weight of the run at silos that serve several at once: while tasks of several runs wait, each run gets time in proportion to its share',
    ),
  silos: z
    .array(z.string().min(1).max(63))
    .min(1)
    .max(10_000)
    .default(['*'])
    .describe(
      'which silos take part, by name; * stands for anything. No other silo sees anything of the run',
    ),
});

export type RunSpec = Readonly<z.output<typeof runSpecSchema>>;
export type RunSpecInput = z.input<typeof runSpecSchema>;
export type LoraSpec = RunSpec['lora'];
export type TaskSpec = RunSpec['task'];
export type CausalTaskSpec = Extract<TaskSpec, { readonly kind: 'causal-lm' }>;
export type ServerOptimizerSpec = Readonly<z.output<typeof serverOptimizerSchema>>;
export type RobustSpec = Readonly<z.output<typeof robustSchema>>;
export type OptimizerSpec = z.output<typeof optimizerSchema>;

/** The class names of a task, in order of the class index; none where it has no classes. */
export function taskLabels(task: TaskSpec): readonly string[] {
  return 'labels' in task ? task.labels : [];
}

/** Any value as a RunSpec with defaults filled in. Throws config_unknown_key or config_invalid; `where` names the file. */
export function parseRunSpec(value: unknown, where = 'run specification'): RunSpec {
  return readConfig(runSpecSchema, value, where);
}

/** The factor before B · A: alpha / r, or alpha / √r (rsLoRA, arXiv 2312.03732). */
export function loraScale(lora: Pick<LoraSpec, 'rank' | 'alpha' | 'rsLora'>): number {
  return lora.alpha / (lora.rsLora ? Math.sqrt(lora.rank) : lora.rank);
}
