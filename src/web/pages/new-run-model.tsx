import type { JSX } from 'preact';
import type { BundleView } from '../../api/types.js';
import { formatBytes, formatCount } from '../lib/format.js';
import { runs } from '../state/live.js';
import { Card } from '../ui/basics.tsx';
import { Field } from '../ui/field.tsx';
import { FormField, type FormContext } from './new-run-fields.tsx';

interface WhatProps extends FormContext {
  readonly bundles: readonly BundleView[];
  readonly bundle: BundleView | undefined;
  readonly choose: (bundle: string) => void;
  /** Run whose newest version this one begins with; none where empty. */
  readonly from: string;
  readonly setFrom: (run: string) => void;
}

/** What is trained: a name, a model, and what its factors are at the beginning. */
export function WhatCard(props: WhatProps): JSX.Element {
  const { bundles, bundle, choose, from, setFrom, ...fields } = props;
  const { form, said } = fields;
  return (
    <Card title="What">
      <div class="fields">
        <FormField
          {...fields}
          name="name"
          label="Name"
          hint="the run’s id is made from it"
          placeholder="spam-filter"
        />
        <Field label="Base model" error={said('bundle')}>
          {(id) => (
            <select id={id} value={form.bundle} onInput={(event) => choose(event.currentTarget.value)}>
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
        <p class="quiet facts-line">
          {bundle.model.task}
          {bundle.model.labels.length > 0 && <> of {bundle.model.labels.join(', ')}</>} · up to{' '}
          {formatCount(bundle.model.maxTokens)} tokens · {formatBytes(bundle.bytes)}
          {bundle.model.quantizedBits !== null && <> · {bundle.model.quantizedBits}-bit</>}
        </p>
      )}
      <BeginWith value={from} set={setFrom} bundle={form.bundle} />
    </Card>
  );
}

function BeginWith(props: {
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

/** Rank, scale and place of the factors. */
export function AdapterCard(props: FormContext & { readonly bundle: BundleView | undefined }): JSX.Element {
  const { bundle, ...fields } = props;
  const { form, set, said } = fields;
  return (
    <Card title="Adapter">
      <div class="fields">
        <FormField {...fields} name="rank" label="Rank" hint="columns of B, rows of A" />
        <FormField {...fields} name="alpha" label="Alpha" hint="the update is alpha / rank · B · A" />
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
  );
}
