import type { JSX } from 'preact';
import { apiPath } from '../state/api.js';
import { may } from '../state/session.js';
import { useText } from '../state/use-text.js';
import { Failure, Loading } from '../ui/basics.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { Icon } from '../ui/icon.tsx';

/** Link to the ZIP of a version; nothing for those who may only look. */
export function Download(props: {
  readonly base: string;
  readonly version: number;
  readonly label: string;
  readonly primary?: boolean;
}): JSX.Element | null {
  if (!may('operator')) return null;
  const { base, version, label, primary } = props;
  return (
    <a
      class={primary === true ? 'button primary' : 'button small bare'}
      href={apiPath(`${base}/adapters/${version}/archive`)}
      download
      aria-label={label}
      title="Download: weights, PEFT configuration, model card"
    >
      <Icon name="download" />
      {primary === true && label}
    </a>
  );
}

/** The model card, to read before one downloads. */
export function ModelCard(props: {
  readonly base: string;
  readonly version: number;
  readonly close: () => void;
}): JSX.Element {
  const { base, version, close } = props;
  const { text, failure } = useText(`${base}/adapters/${version}/card`);
  return (
    <Dialog title={`Model card of version ${version}`} close={close} wide>
      {failure && <Failure failure={failure} />}
      {text === undefined ? (
        !failure && <Loading />
      ) : (
        <pre class="document" tabIndex={0}>
          {text}
        </pre>
      )}
      <div class="dialog-actions">
        {may('operator') && (
          <a class="button" href={apiPath(`${base}/adapters/${version}/file`)} download>
            Weights only
          </a>
        )}
        <Download base={base} version={version} label="Download all" primary />
      </div>
    </Dialog>
  );
}
