import { config } from 'zod';
import type { BundleView } from '../../api/types.js';

/** The fields that most runs differ in; everything else of docs/run-spec.md goes into `more` as JSON. */
export interface RunForm {
  readonly name: string;
  readonly bundle: string;
  readonly method: string;
  readonly rounds: number;
  readonly minSilos: number;
  readonly deadlineMinutes: number;
  /** NaN where the field is empty; so are the next two. */
  readonly ask: number;
  readonly updates: number;
  readonly deadlineFactor: number;
  readonly sampling: string;
  readonly rank: number;
  readonly alpha: number;
  readonly targets: readonly string[];
  readonly learningRate: number;
  readonly batchSize: number;
  readonly localSteps: number;
  readonly weighting: string;
  readonly wireDType: string;
  readonly seed: number;
  readonly more: string;
}

export const EMPTY_FORM: RunForm = {
  name: '',
  bundle: '',
  method: 'fedrot',
  rounds: 10,
  minSilos: 2,
  deadlineMinutes: 30,
  ask: NaN,
  updates: NaN,
  deadlineFactor: NaN,
  sampling: 'uniform',
  rank: 8,
  alpha: 16,
  targets: [],
  learningRate: 0.0005,
  batchSize: 16,
  localSteps: 20,
  weighting: 'examples',
  wireDType: 'f32',
  seed: 0,
  more: '',
};

/** Where a message about a path of the specification is shown. */
export const FIELD_OF_PATH: Readonly<Record<string, keyof RunForm>> = {
  name: 'name',
  bundle: 'bundle',
  'aggregation.method': 'method',
  'aggregation.weighting': 'weighting',
  'rounds.count': 'rounds',
  'rounds.minSilos': 'minSilos',
  'rounds.deadlineMs': 'deadlineMinutes',
  'rounds.ask': 'ask',
  'rounds.updates': 'updates',
  'rounds.deadlineFactor': 'deadlineFactor',
  'rounds.sampling': 'sampling',
  'lora.rank': 'rank',
  'lora.alpha': 'alpha',
  'lora.targetModules': 'targets',
  'training.optimizer.learningRate': 'learningRate',
  'training.batchSize': 'batchSize',
  'training.localSteps': 'localSteps',
  wireDType: 'wireDType',
  seed: 'seed',
};

/** Modules that a fresh form adapts: those that LoRA began with, where the model has them. */
export function usualTargets(bundle: BundleView | undefined): readonly string[] {
  const names = bundle?.model?.targets.map(({ name }) => name) ?? [];
  const usual = names.filter((name) =>
    ['query', 'value', 'q_proj', 'v_proj', 'c_attn', 'q_lin', 'v_lin'].includes(name),
  );
  return usual.length > 0 ? usual : names;
}

/** The form as a specification, not yet checked. Throws SyntaxError where `more` is no JSON. */
export function specOfForm(form: RunForm, bundle: BundleView | undefined): Record<string, unknown> {
  const { model } = bundle ?? {};
  const labels = model && model.labels.length > 0 ? { labels: model.labels } : {};
  const spec = {
    name: form.name,
    bundle: form.bundle,
    task: { kind: model?.task, ...labels, maxTokens: Math.min(model?.maxTokens ?? 128, 128) },
    lora: {
      rank: form.rank,
      alpha: form.alpha,
      targetModules: [...form.targets],
      modulesToSave: [...(model?.head ?? [])],
    },
    training: {
      optimizer: { kind: 'adamw', learningRate: form.learningRate },
      batchSize: form.batchSize,
      localSteps: form.localSteps,
    },
    aggregation: { method: form.method, weighting: form.weighting },
    rounds: {
      count: form.rounds,
      minSilos: form.minSilos,
      deadlineMs: Math.round(form.deadlineMinutes * 60_000),
      sampling: form.sampling,
      ...given({ ask: form.ask, updates: form.updates, deadlineFactor: form.deadlineFactor }),
    },
    wireDType: form.wireDType,
    seed: form.seed,
  };
  const more: unknown = form.more.trim() === '' ? {} : JSON.parse(form.more);
  return merge(spec, more) as Record<string, unknown>;
}

/** Without fields that were left empty. */
const given = (values: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => !Number.isNaN(value)));

/** Objects key by key; anything else of the second replaces the first. */
function merge(base: unknown, over: unknown): unknown {
  if (!isObject(base) || !isObject(over)) return over;
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over))
    merged[key] = key in merged ? merge(merged[key], value) : value;
  return merged;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export interface Issue {
  readonly path: string;
  readonly message: string;
}

/** What the very schema that the coordinator goes by has against it. */
export async function issuesOf(spec: unknown): Promise<readonly Issue[]> {
  // Schemas that compile themselves need eval, which the page's security policy forbids.
  config({ jitless: true });
  const [{ runSpecSchema }, { issueText }] = await Promise.all([
    import('../../run-spec.js'),
    import('../../issue-text.js'),
  ]);
  const parsed = runSpecSchema.safeParse(spec);
  return parsed.success
    ? []
    : parsed.error.issues.map((issue) => ({
        path: issue.path.map(String).join('.'),
        message: issueText(issue),
      }));
}
