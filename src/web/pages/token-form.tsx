import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { CreatedToken } from '../../api/types.js';
import { act, failureOf, type ApiFailure } from '../state/api.js';
import { session } from '../state/session.js';
import { Failure } from '../ui/basics.tsx';

/** Where silos and command lines reach the coordinator: as it was told, else where this page comes from. */
export function addressOf(created: CreatedToken | undefined): string {
  const told = created?.address ?? '';
  return told === '' ? `${location.hostname}:${session.value?.grpcPort ?? 9470}` : told;
}

/** Asks whom a token is for, and has it made. */
export function TokenForm(props: {
  /** What is asked of the coordinator beside the name. */
  readonly what: { readonly kind: string; readonly role?: string };
  readonly placeholder: string;
  readonly made: (created: CreatedToken) => void;
  readonly close: () => void;
  /** Fields before the name, and after it. */
  readonly before?: JSX.Element;
  readonly after?: JSX.Element | false;
}): JSX.Element {
  const { what, placeholder, made, close, before, after } = props;
  const [name, setName] = useState('');
  const [failure, setFailure] = useState<ApiFailure>();
  const submit = (event: Event): void => {
    event.preventDefault();
    act<CreatedToken>('/tokens', { ...what, name: name.trim() }).then(made, (thrown: unknown) =>
      setFailure(failureOf(thrown)),
    );
  };
  return (
    <form onSubmit={submit}>
      {before}
      <label class="field">
        <span>Name</span>
        <input
          required
          pattern="[a-z0-9][a-z0-9._\-]{0,62}"
          title="1 to 63 of a-z 0-9 . _ -"
          value={name}
          placeholder={placeholder}
          onInput={(event) => setName(event.currentTarget.value)}
        />
      </label>
      {after}
      {failure && <Failure failure={failure} />}
      <div class="dialog-actions">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="primary">
          Make a token
        </button>
      </div>
    </form>
  );
}
