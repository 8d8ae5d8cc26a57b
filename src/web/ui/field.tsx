import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';

let ids = 0;

/** A labelled control with a hint, or what is wrong with it, below. */
export function Field(props: {
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
