import type { JSX } from 'preact';
import type { MethodView } from '../../api/types.js';
import { silos } from '../state/live.js';
import { Card } from '../ui/basics.tsx';
import { Field } from '../ui/field.tsx';
import { NumberField, SelectField, type FormContext } from './new-run-fields.tsx';

/** How many rounds, who has to be there, and how their updates become one. */
export function RoundsCard(props: FormContext & { readonly methods: readonly MethodView[] }): JSX.Element {
  const { methods, ...fields } = props;
  const { form } = fields;
  return (
    <Card title="Rounds">
      <div class="fields">
        <NumberField {...fields} name="rounds" label="Rounds" />
        <NumberField
          {...fields}
          name="minSilos"
          label="Silos a round needs"
          hint={`${silos.value?.trainers ?? 0} that train are connected now`}
        />
        <NumberField {...fields} name="deadlineMinutes" label="Minutes a round may take" />
        <SelectField
          {...fields}
          name="method"
          label="Aggregation method"
          options={methods.map(({ name }) => name)}
          hint={methods.find(({ name }) => name === form.method)?.source}
        />
        <SelectField
          {...fields}
          name="weighting"
          label="Weight of a silo"
          options={['examples', 'uniform']}
        />
      </div>
      <Policy {...fields} />
    </Card>
  );
}

/** Fields that most runs leave empty: everybody is asked, and waited for until the deadline. */
function Policy(fields: FormContext): JSX.Element {
  return (
    <details>
      <summary>Who is asked, and who is waited for</summary>
      <div class="fields">
        <NumberField {...fields} name="ask" label="Silos asked each round" hint="empty: all that train" />
        <SelectField
          {...fields}
          name="sampling"
          label="Chosen"
          options={['uniform', 'examples', 'round-robin']}
          hint="all alike, more often with more examples, or in turn"
        />
        <NumberField
          {...fields}
          name="updates"
          label="Updates that close a round"
          hint="empty: when all have answered; fewer than are asked: the slowest are not waited for"
        />
        <NumberField
          {...fields}
          name="deadlineFactor"
          label="Times the usual duration"
          hint="empty: only the minutes above end a round"
        />
      </div>
    </details>
  );
}

/** What a silo does in a round; below it everything that has no field of its own. */
export function TrainingCard(fields: FormContext): JSX.Element {
  const { form, set } = fields;
  return (
    <Card title="Training in the silos">
      <div class="fields">
        <NumberField {...fields} name="localSteps" label="Steps a round" />
        <NumberField {...fields} name="batchSize" label="Batch size" />
        <NumberField {...fields} name="learningRate" label="Learning rate" hint="AdamW" />
        <SelectField
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
  );
}
