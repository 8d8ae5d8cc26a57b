/** The fields of the form of a run: where each goes in the specification (docs/run-spec.md), and what it begins with. */

interface FieldRule {
  readonly path: string;
  readonly initial: string | number | readonly string[];
  /** May be empty (NaN): the key is left out then, and the specification's default counts. */
  readonly optional?: true;
  /** So many of the specification's units are one of the form's. */
  readonly factor?: number;
}

/** What most runs differ in; everything else goes into `more` as JSON. */
const FIELDS = {
  name: { path: 'name', initial: '' },
  bundle: { path: 'bundle', initial: '' },
  method: { path: 'aggregation.method', initial: 'fedrot' },
  weighting: { path: 'aggregation.weighting', initial: 'examples' },
  rounds: { path: 'rounds.count', initial: 10 },
  minSilos: { path: 'rounds.minSilos', initial: 2 },
  deadlineMinutes: { path: 'rounds.deadlineMs', initial: 30, factor: 60_000 },
  ask: { path: 'rounds.ask', initial: NaN, optional: true },
  updates: { path: 'rounds.updates', initial: NaN, optional: true },
  deadlineFactor: { path: 'rounds.deadlineFactor', initial: NaN, optional: true },
  sampling: { path: 'rounds.sampling', initial: 'uniform' },
  mode: { path: 'rounds.mode', initial: 'sync' },
  late: { path: 'rounds.late', initial: 'refuse' },
  staleMax: { path: 'rounds.staleness.max', initial: NaN, optional: true },
  staleWeight: { path: 'rounds.staleness.weight.kind', initial: 'polynomial' },
  staleExponent: { path: 'rounds.staleness.weight.exponent', initial: 0.5 },
  staleFree: { path: 'rounds.staleness.weight.free', initial: 4 },
  staleSlope: { path: 'rounds.staleness.weight.slope', initial: 10 },
  rank: { path: 'lora.rank', initial: 8 },
  alpha: { path: 'lora.alpha', initial: 16 },
  targets: { path: 'lora.targetModules', initial: [] },
  learningRate: { path: 'training.optimizer.learningRate', initial: 0.0005 },
  batchSize: { path: 'training.batchSize', initial: 16 },
  localSteps: { path: 'training.localSteps', initial: 20 },
  wireDType: { path: 'wireDType', initial: 'f32' },
  seed: { path: 'seed', initial: 0 },
  share: { path: 'share', initial: 1 },
} as const satisfies Readonly<Record<string, FieldRule>>;

export type FieldName = keyof typeof FIELDS;

/** Of a field's first value, the type of all of them. */
type Widened<V> = V extends number ? number : V extends string ? string : readonly string[];

export type RunForm = { readonly [K in FieldName]: Widened<(typeof FIELDS)[K]['initial']> } & {
  readonly more: string;
};

export const FIELD_NAMES = Object.keys(FIELDS) as readonly FieldName[];

export const ruleOf = (name: FieldName): FieldRule => FIELDS[name];

export const EMPTY_FORM = {
  ...Object.fromEntries(FIELD_NAMES.map((name) => [name, FIELDS[name].initial])),
  more: '',
} as RunForm;

/** Where a message about a path of the specification is shown. */
export const FIELD_OF_PATH: Readonly<Record<string, FieldName>> = Object.fromEntries(
  FIELD_NAMES.map((name) => [FIELDS[name].path, name]),
);

/** Whether an update may count in a later round than it was asked for. */
export const carries = ({ mode, late }: Pick<RunForm, 'mode' | 'late'>): boolean =>
  mode === 'async' || late === 'carry';

const NO_OLD_UPDATES = 'no update counts late: late updates are refused';

const ofWeight =
  (kind: string) =>
  (form: RunForm): string | undefined => {
    if (!carries(form)) return NO_OLD_UPDATES;
    return form.staleWeight === kind ? undefined : `only of the weight ${kind}`;
  };

const ofOldUpdates = (form: RunForm): string | undefined => (carries(form) ? undefined : NO_OLD_UPDATES);

const UNUSED: Readonly<Partial<Record<FieldName, (form: RunForm) => string | undefined>>> = {
  late: ({ mode }) => (mode === 'async' ? 'in asynchronous rounds no update is late' : undefined),
  staleMax: ofOldUpdates,
  staleWeight: ofOldUpdates,
  staleExponent: ofWeight('polynomial'),
  staleFree: ofWeight('hinge'),
  staleSlope: ofWeight('hinge'),
};

/** Why a field counts for nothing as the form stands: it is not sent then. Undefined: it counts. */
export const whyUnused = (form: RunForm, name: FieldName): string | undefined => UNUSED[name]?.(form);
