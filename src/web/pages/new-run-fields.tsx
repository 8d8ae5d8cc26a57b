import type { JSX } from 'preact';
import type { RunForm } from '../lib/run-form.js';
import { Field } from '../ui/field.tsx';

export type SetField = <K extends keyof RunForm>(key: K, value: RunForm[K]) => void;

/** What every field needs of the form that it is part of. */
export interface FormContext {
  readonly form: RunForm;
  readonly set: SetField;
  /** What is wrong with a field. */
  readonly said: (key: keyof RunForm) => string | undefined;
}

interface FieldOf extends FormContext {
  readonly label: string;
  readonly hint?: string | undefined;
}

type KeysOf<V> = { [K in keyof RunForm]: RunForm[K] extends V ? K : never }[keyof RunForm];

export function TextField(
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

export function NumberField({
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

export function SelectField(
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
