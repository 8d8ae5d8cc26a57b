import type { JSX } from 'preact';
import { carries } from '../lib/run-fields.js';
import { FormField, type FormContext } from './new-run-fields.tsx';

/** Fields that most runs leave empty: everybody is asked, and waited for until the deadline. */
export function AskedFields(fields: FormContext): JSX.Element {
  const isAsync = fields.form.mode === 'async';
  return (
    <details>
      <summary>Who is asked, and who is waited for</summary>
      <div class="fields">
        <FormField
          {...fields}
          name="ask"
          label={isAsync ? 'Silos at work at once' : 'Silos asked each round'}
          hint="empty: all that train"
        />
        <FormField
          {...fields}
          name="sampling"
          label="Chosen"
          options={['uniform', 'examples', 'round-robin']}
          hint="all alike, more often with more examples, or in turn"
        />
        <FormField
          {...fields}
          name="updates"
          label={isAsync ? 'Updates that make a version' : 'Updates that close a round'}
          hint={
            isAsync
              ? 'empty: as many as a round needs silos'
              : 'empty: when all have answered; fewer than are asked: the slowest are not waited for'
          }
        />
        <FormField
          {...fields}
          name="deadlineFactor"
          label="Times the usual duration"
          hint="empty: only the minutes above end a round"
        />
      </div>
    </details>
  );
}

/** What becomes of updates that did not begin from the newest version. */
export function LateFields(fields: FormContext): JSX.Element {
  const { form } = fields;
  return (
    <details>
      <summary>Late updates, and rounds that wait for nobody</summary>
      <div class="fields">
        <FormField
          {...fields}
          name="mode"
          label="Mode"
          options={['sync', 'async']}
          hint="all begin from the same version; or asynchronous: whoever delivers gets new work at once"
        />
        <FormField
          {...fields}
          name="late"
          label="Late updates"
          options={['refuse', 'carry']}
          hint="not in when the round closes: refused, or counted in the next by their age"
        />
        <FormField
          {...fields}
          name="staleMax"
          label="Versions old at most"
          hint={`empty: ${form.mode === 'async' ? 20 : 1}; what is older is refused`}
        />
        <FormField
          {...fields}
          name="staleWeight"
          label="Weight of an old update"
          options={['polynomial', 'constant', 'hinge']}
          hint={WEIGHT_HINTS[form.staleWeight]}
        />
        {carries(form) && form.staleWeight === 'polynomial' && (
          <FormField
            {...fields}
            name="staleExponent"
            label="Exponent a"
            hint="the larger, the less old updates count"
          />
        )}
        {carries(form) && form.staleWeight === 'hinge' && (
          <>
            <FormField {...fields} name="staleFree" label="Free versions b" hint="old without a loss" />
            <FormField {...fields} name="staleSlope" label="Slope a" hint="how fast it falls after that" />
          </>
        )}
      </div>
    </details>
  );
}

/** By the age of an update in versions, τ. */
const WEIGHT_HINTS: Readonly<Record<string, string>> = {
  polynomial: '(1 + τ)^−a for τ versions',
  constant: 'all of its step, however old',
  hinge: 'all up to τ = b, then 1 / (a · (τ − b) + 1)',
};
