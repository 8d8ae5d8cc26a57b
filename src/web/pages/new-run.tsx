import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { BundleView, MethodView, RunCheck, RunSummary } from '../../api/types.js';
import { formatBytes, formatCount, plural } from '../lib/format.js';
import { runPath } from '../lib/route.js';
import {
  EMPTY_FORM,
  FIELD_OF_PATH,
  issuesOf,
  specOfForm,
  usualTargets,
  type Issue,
  type RunForm,
} from '../lib/run-form.js';
import { act, failureOf, type ApiFailure } from '../state/api.js';
import { runs, silos } from '../state/live.js';
import { go } from '../state/router.js';
import { may } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Card, Empty, Facts, Failure, Loading, Note, PageHead } from '../ui/basics.tsx';

const CHECK_AFTER_MS = 400;

type Set = <K extends keyof RunForm>(key: K, value: RunForm[K]) => void;

/** The form of a new run, checked while it is filled in: here by the schema, then by the coordinator, which knows the model. */
export function NewRunPage(): JSX.Element {
  const bundles = useLoaded<readonly BundleView[]>('/bundles');
  const methods = useLoaded<readonly MethodView[]>('/methods');
  if (!may('operator'))
    return (
      <>
        <PageHead title="Start a run" />
        <Empty icon="runs" title="Only operators start runs" />
      </>
    );
  const failure = bundles.failure ?? methods.failure;
  const usable = bundles.data?.filter(({ model }) => model !== null);
  return (
    <>
      <PageHead
        title="Start a run"
        about="what is left as it is has a sound default; everything is checked before anything begins"
      />
      {failure && <Failure failure={failure} retry={bundles.reload} />}
      {(!usable || !methods.data) && !failure && <Loading lines={8} />}
      {usable?.length === 0 && (
        <Card>
          <Empty icon="download" title="There is no bundle to start from">
            <p>
              A bundle is the base model with its tokenizer. Make one with <code>fedrot bundle create</code>{' '}
              and send it with <code>fedrot bundle push</code>.
            </p>
          </Empty>
        </Card>
      )}
      {usable && usable.length > 0 && methods.data && <Form bundles={usable} methods={methods.data} />}
    </>
  );
}

function Form(props: {
  readonly bundles: readonly BundleView[];
  readonly methods: readonly MethodView[];
}): JSX.Element {
  const { bundles, methods } = props;
  const first = bundles[0];
  const [form, setForm] = useState<RunForm>({
    ...EMPTY_FORM,
    bundle: first?.sha256 ?? '',
    targets: usualTargets(first),
  });
  const [from, setFrom] = useState('');
  const [touched, setTouched] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure>();
  const bundle = bundles.find(({ sha256 }) => sha256 === form.bundle);
  const initial = initialOf(from);
  const { issues, check } = useCheck(form, bundle, from);
  const set: Set = (key, value) => {
    setForm((before) => ({ ...before, [key]: value }));
    setTouched(true);
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    setTouched(true);
    if (issues.length > 0) return;
    setBusy(true);
    act<RunSummary>('/runs', { spec: specOfForm(form, bundle), ...(initial && { initial }) }).then(
      ({ id }) => go(runPath(id)),
      (thrown: unknown) => {
        setFailure(failureOf(thrown));
        setBusy(false);
      },
    );
  };
  const shown = touched ? issues : issues.filter(({ path }) => path !== 'name');
  const said = (key: keyof RunForm): string | undefined =>
    shown.find(({ path }) => FIELD_OF_PATH[path] === key)?.message;
  const general = shown.filter(({ path }) => FIELD_OF_PATH[path] === undefined);
  const fields = { form, set, said };
  return (
    <form class="run-form" onSubmit={submit} noValidate>
      <div class="form-main">
        <Card title="What">
          <div class="fields">
            <Text
              {...fields}
              name="name"
              label="Name"
              hint="the run’s id is made from it"
              placeholder="spam-filter"
            />
            <Field label="Base model" error={said('bundle')}>
              {(id) => (
                <select
                  id={id}
                  value={form.bundle}
                  onInput={(event) => {
                    const chosen = bundles.find(({ sha256 }) => sha256 === event.currentTarget.value);
                    setForm((before) => ({
                      ...before,
                      bundle: chosen?.sha256 ?? '',
                      targets: usualTargets(chosen),
                    }));
                  }}
                >
                  {bundles.map(({ sha256, model }) => (
                    <option key={sha256} value={sha256}>
                      {model?.name ?? model?.architecture} · {sha256.slice(0, 8)}
                    </option>
                  ))}
                </select>
              )}
            </Field>
          </div>
          {bundle?.model && (
            <p class="quiet">
              {bundle.model.task}
              {bundle.model.labels.length > 0 && <> of {bundle.model.labels.join(', ')}</>} · up to{' '}
              {formatCount(bundle.model.maxTokens)} tokens · {formatBytes(bundle.bytes)}
              {bundle.model.quantizedBits !== null && <> · {bundle.model.quantizedBits}-bit</>}
            </p>
          )}
          <StartFrom value={from} set={setFrom} bundle={form.bundle} />
        </Card>
        <Card title="Adapter">
          <div class="fields">
            <NumberField {...fields} name="rank" label="Rank" hint="columns of B, rows of A" />
            <NumberField {...fields} name="alpha" label="Alpha" hint="the update is alpha / rank · B · A" />
          </div>
          <fieldset class="checks">
            <legend>Modules to adapt</legend>
            {bundle?.model?.targets.map(({ name, modules }) => (
              <label key={name} class="check">
                <input
                  type="checkbox"
                  checked={form.targets.includes(name)}
                  onInput={(event) =>
                    set(
                      'targets',
                      event.currentTarget.checked
                        ? [...form.targets, name]
                        : form.targets.filter((each) => each !== name),
                    )
                  }
                />
                {name} <span class="quiet">× {modules}</span>
              </label>
            ))}
            {said('targets') !== undefined && <p class="field-error">{said('targets')}</p>}
          </fieldset>
        </Card>
        <Card title="Rounds">
          <div class="fields">
            <NumberField {...fields} name="rounds" label="Rounds" />
            <NumberField
              {...fields}
              name="minSilos"
              label="Silos a round needs"
              hint={`${silos.value?.connected ?? 0} connected now`}
            />
            <NumberField {...fields} name="deadlineMinutes" label="Minutes a round may take" />
            <Select
              {...fields}
              name="method"
              label="Aggregation method"
              options={methods.map(({ name }) => name)}
              hint={methods.find(({ name }) => name === form.method)?.source}
            />
            <Select {...fields} name="weighting" label="Weight of a silo" options={['examples', 'uniform']} />
          </div>
        </Card>
        <Card title="Training in the silos">
          <div class="fields">
            <NumberField {...fields} name="localSteps" label="Steps a round" />
            <NumberField {...fields} name="batchSize" label="Batch size" />
            <NumberField {...fields} name="learningRate" label="Learning rate" hint="AdamW" />
            <Select
              {...fields}
              name="wireDType"
              label="Numbers on the wire"
              options={['f32', 'f16', 'bf16']}
            />
            <NumberField {...fields} name="seed" label="Seed" />
          </div>
          <details>
            <summary>Everything else, as JSON</summary>
            <Field label="Merged over the form; the keys are those of docs/run-spec.md" error={undefined}>
              {(id) => (
                <textarea
                  id={id}
                  rows={6}
                  spellcheck={false}
                  value={form.more}
                  placeholder={'{ "training": { "schedule": { "kind": "cosine" } } }'}
                  onInput={(event) => set('more', event.currentTarget.value)}
                />
              )}
            </Field>
          </details>
        </Card>
      </div>
      <aside class="form-side">
        <Card title="Before it begins">
          {shown.length > 0 ? (
            <Note tone="warn">
              {general.length === 0 ? (
                `${plural(shown.length, 'field')} to mend`
              ) : (
                <ul class="plain">
                  {general.map(({ path, message }) => (
                    <li key={`${path} ${message}`}>
                      {path !== '' && <code>{path}</code>} {message}
                    </li>
                  ))}
                </ul>
              )}
            </Note>
          ) : (
            <Estimate check={check} rounds={form.rounds} />
          )}
          {failure && <Failure failure={failure} />}
          <button type="submit" class="primary wide" disabled={busy}>
            {busy ? 'Starting…' : 'Start the run'}
          </button>
        </Card>
      </aside>
    </form>
  );
}

function initialOf(from: string): { run: string; version: number } | undefined {
  const run = runs.value?.find(({ id }) => id === from);
  return run && { run: run.id, version: run.version };
}

/** Complaints about the form: the schema's at once, the coordinator's when the typing has stopped. */
function useCheck(
  form: RunForm,
  bundle: BundleView | undefined,
  from: string,
): { issues: readonly Issue[]; check: RunCheck | undefined } {
  const [issues, setIssues] = useState<readonly Issue[]>([]);
  const [check, setCheck] = useState<RunCheck>();
  useEffect(() => {
    const leave = new AbortController();
    const isOver = (): boolean => leave.signal.aborted;
    setCheck(undefined);
    const look = async (): Promise<void> => {
      let spec: Record<string, unknown>;
      try {
        spec = specOfForm(form, bundle);
      } catch {
        setIssues([{ path: '', message: 'what is below “Everything else” is no JSON' }]);
        return;
      }
      const found = await issuesOf(spec);
      if (isOver()) return;
      setIssues(found);
      if (found.some(({ path }) => path !== 'name')) return;
      await new Promise((resolve) => setTimeout(resolve, CHECK_AFTER_MS));
      const initial = initialOf(from);
      if (isOver()) return;
      const answer = await act<RunCheck>('/runs/check', {
        // What a run takes does not hang on its name.
        spec: found.length > 0 ? { ...spec, name: 'unnamed' } : spec,
        ...(initial && { initial }),
      });
      if (isOver()) return;
      setIssues([...found, ...answer.issues]);
      setCheck(answer);
    };
    look().catch((thrown: unknown) => {
      if (!isOver()) setIssues([{ path: '', message: failureOf(thrown).message }]);
    });
    return () => leave.abort();
  }, [form, bundle, from]);
  return { issues, check };
}

function Estimate({
  check,
  rounds,
}: {
  readonly check: RunCheck | undefined;
  readonly rounds: number;
}): JSX.Element {
  if (!check?.estimate) return <Loading lines={3} />;
  const { modules, parameters, uploadBytes, downloadBytes } = check.estimate;
  return (
    <>
      <Facts
        facts={[
          ['Modules adapted', formatCount(modules)],
          ['Parameters trained', formatCount(parameters)],
          ['A silo sends, each round', formatBytes(uploadBytes)],
          ['A silo fetches, each round', formatBytes(downloadBytes)],
          ['A silo moves in all', formatBytes((uploadBytes + downloadBytes) * rounds)],
        ]}
      />
      {check.warnings.map((warning) => (
        <Note key={warning} tone="warn">
          {warning}
        </Note>
      ))}
    </>
  );
}

function StartFrom(props: {
  readonly value: string;
  readonly set: (run: string) => void;
  readonly bundle: string;
}): JSX.Element | null {
  const others = runs.value?.filter(({ bundle, version }) => bundle === props.bundle && version > 0) ?? [];
  if (others.length === 0) return null;
  return (
    <Field label="Begin with" error={undefined}>
      {(id) => (
        <select id={id} value={props.value} onInput={(event) => props.set(event.currentTarget.value)}>
          <option value="">fresh factors, drawn by the seed</option>
          {others.map(({ id: run, version }) => (
            <option key={run} value={run}>
              version {version} of {run}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

let ids = 0;

function Field(props: {
  readonly label: string;
  readonly hint?: string | undefined;
  readonly error: string | undefined;
  readonly children: (id: string, describedBy?: string) => ComponentChildren;
}): JSX.Element {
  const [id] = useState(() => `field-${++ids}`);
  const { label, hint, error } = props;
  return (
    <div class={`field ${error === undefined ? '' : 'wrong'}`}>
      <label for={id}>{label}</label>
      {props.children(id, `${id}-more`)}
      <p id={`${id}-more`} class={error === undefined ? 'quiet' : 'field-error'}>
        {error ?? hint}
      </p>
    </div>
  );
}

interface FieldOf {
  readonly form: RunForm;
  readonly set: Set;
  readonly said: (key: keyof RunForm) => string | undefined;
  readonly label: string;
  readonly hint?: string | undefined;
}

type KeysOf<V> = { [K in keyof RunForm]: RunForm[K] extends V ? K : never }[keyof RunForm];

function Text(
  props: FieldOf & { readonly name: KeysOf<string>; readonly placeholder?: string },
): JSX.Element {
  const { form, set, said, label, hint, name, placeholder } = props;
  return (
    <Field label={label} hint={hint} error={said(name)}>
      {(id, more) => (
        <input
          id={id}
          aria-describedby={more}
          value={form[name]}
          placeholder={placeholder}
          onInput={(event) => set(name, event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

function NumberField({
  form,
  set,
  said,
  label,
  hint,
  name,
}: FieldOf & { readonly name: KeysOf<number> }): JSX.Element {
  const value = form[name];
  return (
    <Field label={label} hint={hint} error={said(name)}>
      {(id, more) => (
        <input
          id={id}
          aria-describedby={more}
          type="number"
          step="any"
          value={Number.isNaN(value) ? '' : value}
          onInput={(event) => set(name, event.currentTarget.valueAsNumber)}
        />
      )}
    </Field>
  );
}

function Select(
  props: FieldOf & { readonly name: KeysOf<string>; readonly options: readonly string[] },
): JSX.Element {
  const { form, set, said, label, hint, name, options } = props;
  return (
    <Field label={label} hint={hint} error={said(name)}>
      {(id, more) => (
        <select
          id={id}
          aria-describedby={more}
          value={form[name]}
          onInput={(event) => set(name, event.currentTarget.value)}
        >
          {options.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
