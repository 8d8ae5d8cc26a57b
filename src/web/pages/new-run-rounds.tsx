import type { JSX } from 'preact';
import type { MethodView } from '../../api/types.js';
import { silos } from '../state/live.js';
import { Card } from '../ui/basics.tsx';
import { Field } from '../ui/field.tsx';
import { FormField, type FormContext } from './new-run-fields.tsx';
import { AskedFields, LateFields } from './new-run-policy.tsx';

/** How many rounds, who has to be there, and how their updates become one. */
export function RoundsCard(props: FormContext & { readonly methods: readonly MethodView[] }): JSX.Element {
  const { methods, ...fields } = props;
  const { form } = fields;
  return (
    <Card title="Rounds">
      <div class="fields">
        <FormField {...fields} name="rounds" label="Rounds" />
        <FormField
          {...fields}
          name="minSilos"
          label="Silos a round needs"
          hint={`${silos.value?.trainers ?? 0} that train are connected now`}
        />
        <FormField {...fields} name="deadlineMinutes" label="Minutes a round may take" />
        <FormField
          {...fields}
          name="method"
          label="Aggregation method"
          options={methods.map(({ name }) => name)}
          hint={methods.find(({ name }) => name === form.method)?.source}
        />
        <FormField {...fields} name="weighting" label="Weight of a silo" options={['examples', 'uniform']} />
      </div>
      <AskedFields {...fields} />
      <LateFields {...fields} />
    </Card>
  );
}

/** What a silo does in a round; below it everything that has no field of its own. */
export function TrainingCard(fields: FormContext): JSX.Element {
  const { form, set } = fields;
  return (
    <Card title="Training in the silos">
      <div class="fields">
        <FormField {...fields} name="localSteps" label="Steps a round" />
        <FormField {...fields} name="batchSize" label="Batch size" />
        <FormField {...fields} name="learningRate" label="Learning rate" hint="AdamW" />
        <FormField
          {...fields}
          name="wireDType"
          label="Numbers on the wire"
          options={['f32', 'f16', 'bf16']}
        />
        <FormField {...fields} name="seed" label="Seed" />
        <FormField
          {...fields}
          name="share"
          label="Share of a silo’s time"
          hint="beside other runs that the silo serves: 2 gets twice the time of 1"
        />
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
  );
}
