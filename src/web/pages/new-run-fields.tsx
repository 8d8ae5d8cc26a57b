import type { JSX } from 'preact';
import { whyUnused, type FieldName, type RunForm } from '../lib/run-fields.js';
import { Field } from '../ui/field.tsx';

export type SetField = <K extends keyof RunForm>(key: K, value: RunForm[K]) => void;

/** What every field needs of the form that it is part of. */
export interface FormContext {
  readonly form: RunForm;
  readonly set: SetField;
  /** What is wrong with a field. */
  readonly said: (key: keyof RunForm) => string | undefined;
}

type NamesOf<V> = { [K in FieldName]: RunForm[K] extends V ? K : never }[FieldName];

type FormFieldProps = FormContext & {
  readonly label: string;
  readonly hint?: string | undefined;
} & (
    | { readonly name: NamesOf<string>; readonly options?: readonly string[]; readonly placeholder?: string }
    | { readonly name: NamesOf<number>; readonly options?: never; readonly placeholder?: never }
  );

/** One value of the form: a choice where there are options, else a number or a text. What counts for nothing cannot be filled in, and says why. */
export function FormField(props: FormFieldProps): JSX.Element {
  const { form, set, said, label, hint, name, options, placeholder } = props;
  const value = form[name];
  const unused = whyUnused(form, name);
  return (
    <Field label={label} hint={unused ?? hint} error={unused === undefined ? said(name) : undefined}>
      {(id, more) => {
        const common = { id, 'aria-describedby': more, disabled: unused !== undefined };
        if (options)
          return (
            <select {...common} value={value} onInput={(event) => set(name, event.currentTarget.value)}>
              {options.map((option) => (
                <option key={option} value={option}>
                  {option}
                </option>
              ))}
            </select>
          );
        if (typeof value === 'number')
          return (
            <input
              {...common}
              type="number"
              step="any"
              value={Number.isNaN(value) ? '' : value}
              onInput={(event) => set(name, event.currentTarget.valueAsNumber)}
            />
          );
        return (
          <input
            {...common}
            value={value}
            placeholder={placeholder}
            onInput={(event) => set(name, event.currentTarget.value)}
          />
        );
      }}
    </Field>
  );
}
