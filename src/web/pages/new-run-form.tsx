import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { BundleView, MethodView, RunSummary } from '../../api/types.js';
import { plural } from '../lib/format.js';
import { runPath } from '../lib/route.js';
import { EMPTY_FORM, FIELD_OF_PATH, type RunForm } from '../lib/run-fields.js';
import { specOfForm, usualTargets } from '../lib/run-form.js';
import { act, failureOf, type ApiFailure } from '../state/api.js';
import { go } from '../state/router.js';
import { initialOf, useRunCheck } from '../state/use-run-check.js';
import { Card, Failure, Note } from '../ui/basics.tsx';
import { Estimate } from './new-run-estimate.tsx';
import type { SetField } from './new-run-fields.tsx';
import { AdapterCard, WhatCard } from './new-run-model.tsx';
import { RoundsCard, TrainingCard } from './new-run-rounds.tsx';

/** The form, checked while it is filled in: here by the schema, then by the coordinator, which knows the model. */
export function NewRunForm(props: {
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
  const { issues, check } = useRunCheck(form, bundle, from);
  const set: SetField = (key, value) => {
    setForm((before) => ({ ...before, [key]: value }));
    setTouched(true);
  };
  const choose = (sha256: string): void => {
    const chosen = bundles.find((each) => each.sha256 === sha256);
    setForm((before) => ({ ...before, bundle: chosen?.sha256 ?? '', targets: usualTargets(chosen) }));
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
        <WhatCard
          {...fields}
          bundle={bundle}
          bundles={bundles}
          choose={choose}
          from={from}
          setFrom={setFrom}
        />
        <AdapterCard {...fields} bundle={bundle} />
        <RoundsCard {...fields} methods={methods} />
        <TrainingCard {...fields} />
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
