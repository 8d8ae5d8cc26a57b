import type { JSX } from 'preact';
import type { BundleView, MethodView } from '../../api/types.js';
import { may } from '../state/session.js';
import { useLoaded } from '../state/use-loaded.js';
import { Card, Empty, Failure, Loading, PageHead } from '../ui/basics.tsx';
import { NewRunForm } from './new-run-form.tsx';

/** The form of a new run, checked while it is filled in: here by the schema, then by the coordinator, which knows the model. */
export function NewRunPage(): JSX.Element {
  const bundles = useLoaded<readonly BundleView[]>('/bundles');
  const methods = useLoaded<readonly MethodView[]>('/methods');
  if (!may('operator'))
    return (
      <>
        <PageHead title="Start a run" />
        <Empty icon="runs" title="Only operators start runs" />
      </>
    );
  const failure = bundles.failure ?? methods.failure;
  const usable = bundles.data?.filter(({ model }) => model !== null);
  return (
    <>
      <PageHead
        title="Start a run"
        about="what is left as it is has a sound default; everything is checked before anything begins"
      />
      {failure && <Failure failure={failure} retry={bundles.reload} />}
      {(!usable || !methods.data) && !failure && <Loading lines={8} />}
      {usable?.length === 0 && (
        <Card>
          <Empty icon="download" title="There is no bundle to start from">
            <p>
              A bundle is the base model with its tokenizer. Make one with <code>fedrot bundle create</code>{' '}
              and send it with <code>fedrot bundle push</code>.
            </p>
          </Empty>
        </Card>
      )}
      {usable && usable.length > 0 && methods.data && <NewRunForm bundles={usable} methods={methods.data} />}
    </>
  );
}
