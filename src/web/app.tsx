import type { ComponentType, JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Empty, Failure, Loading, PageHead } from './ui/basics.tsx';
import { Shell } from './ui/shell.tsx';
import { AccessPage } from './pages/access.tsx';
import { RunPage } from './pages/run.tsx';
import { RunsPage } from './pages/runs.tsx';
import { SignInPage } from './pages/sign-in.tsx';
import { SilosPage } from './pages/silos.tsx';
import { listen } from './state/live.js';
import { route } from './state/router.js';
import { loadSession, session, sessionFailure } from './state/session.js';

export function App(): JSX.Element {
  const known = session.value;
  const where = route.value;
  const run = where.page === 'run' ? where.run : undefined;
  const signedIn = known?.signedIn === true;
  useEffect(() => {
    if (signedIn) listen(run);
  }, [signedIn, run]);
  if (known === null)
    return (
      <div class="alone">
        {sessionFailure.value ? (
          <Failure failure={sessionFailure.value} retry={() => void loadSession()} />
        ) : (
          <Loading />
        )}
      </div>
    );
  if (!signedIn) return <SignInPage />;
  return (
    <Shell>
      <Page />
    </Shell>
  );
}

function Page(): JSX.Element {
  const where = route.value;
  switch (where.page) {
    case 'runs':
      return <RunsPage />;
    case 'new-run':
      return <NewRun />;
    case 'run':
      return <RunPage key={where.run} run={where.run} tab={where.tab} />;
    case 'silos':
      return <SilosPage />;
    case 'access':
      return <AccessPage />;
    case 'lost':
      return (
        <>
          <PageHead title="No such page" />
          <Empty icon="search" title="There is nothing at this address">
            <a class="button" href="/">
              To the runs
            </a>
          </Empty>
        </>
      );
  }
}

/** The form knows the whole specification; it is loaded when somebody wants to fill it in. */
function NewRun(): JSX.Element {
  const [Form, setForm] = useState<ComponentType>();
  useEffect(() => {
    void import('./pages/new-run.tsx').then(({ NewRunPage }) => setForm(() => NewRunPage));
  }, []);
  return Form ? <Form /> : <Loading lines={6} />;
}
