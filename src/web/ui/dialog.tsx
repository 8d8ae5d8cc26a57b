import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { failureOf, type ApiFailure } from '../state/api.js';
import { Failure } from './basics.tsx';
import { Icon } from './icon.tsx';

/** A modal dialog: the browser keeps the focus in it and closes it with Escape. */
export function Dialog(props: {
  readonly title: string;
  readonly close: () => void;
  readonly wide?: boolean;
  readonly children: ComponentChildren;
}): JSX.Element {
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    ref.current?.showModal();
  }, []);
  return (
    <dialog
      ref={ref}
      class={props.wide === true ? 'wide' : ''}
      aria-labelledby="dialog-title"
      onClose={props.close}
      onClick={(event) => event.target === event.currentTarget && event.currentTarget.close()}
    >
      <header>
        <h2 id="dialog-title">{props.title}</h2>
        <button type="button" class="bare" aria-label="Close" onClick={() => ref.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

/** Asks before something is done that cannot be undone by a click, and shows what came of it. */
export function Confirm(props: {
  readonly title: string;
  readonly action: string;
  readonly tone?: string;
  /** Asks for a reason, which goes into the audit log. */
  readonly reason?: boolean;
  readonly children: ComponentChildren;
  readonly act: (reason: string) => Promise<unknown>;
  readonly close: () => void;
}): JSX.Element {
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure>();
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    props.act(reason).then(props.close, (thrown: unknown) => {
      setFailure(failureOf(thrown));
      setBusy(false);
    });
  };
  return (
    <Dialog title={props.title} close={props.close}>
      <form onSubmit={submit}>
        {props.children}
        {props.reason === true && (
          <label class="field">
            <span>Reason</span>
            <input
              value={reason}
              maxLength={500}
              placeholder="goes into the audit log"
              onInput={(event) => setReason(event.currentTarget.value)}
            />
          </label>
        )}
        {failure && <Failure failure={failure} />}
        <div class="dialog-actions">
          <button type="button" onClick={props.close}>
            Cancel
          </button>
          <button type="submit" class={props.tone ?? 'primary'} disabled={busy}>
            {busy ? 'Working…' : props.action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** Text to take along, with a button that copies it. */
export function Copyable({ text, label }: { readonly text: string; readonly label: string }): JSX.Element {
  const [copied, setCopied] = useState(false);
  const ref = useRef<HTMLElement>(null);
  const copy = (): void => {
    const select = (): void => {
      // Without TLS browsers give pages no clipboard: select the text instead.
      const range = document.createRange();
      if (ref.current) range.selectNodeContents(ref.current);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
    };
    const { clipboard } = navigator as { clipboard?: Clipboard };
    if (clipboard) clipboard.writeText(text).then(() => setCopied(true), select);
    else select();
  };
  return (
    <div class="copyable">
      <code ref={ref} tabIndex={0} aria-label={label}>
        {text}
      </code>
      <button type="button" class="small" onClick={copy}>
        <Icon name={copied ? 'check' : 'copy'} />
        {copied ? 'Copied' : 'Copy'}
      </button>
    </div>
  );
}
