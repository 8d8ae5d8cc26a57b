import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Failure } from '../ui/basics.tsx';
import { Logo } from '../ui/shell.tsx';
import { failureOf, type ApiFailure } from '../state/api.js';
import { session, signIn } from '../state/session.js';

export function SignInPage(): JSX.Element {
  const [token, setToken] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure>();
  document.title = 'Sign in · fedrot';
  const submit = (event: Event): void => {
    event.preventDefault();
    setBusy(true);
    signIn(token).catch((thrown: unknown) => {
      setFailure(failureOf(thrown));
      setBusy(false);
    });
  };
  return (
    <main class="alone">
      <form class="card sign-in" onSubmit={submit}>
        <Logo />
        <h1>Sign in to {session.value?.coordinator ?? 'fedrot'}</h1>
        <label class="field">
          <span>Token</span>
          <input
            type="password"
            name="token"
            autocomplete="current-password"
            required
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
          />
        </label>
        {failure && <Failure failure={failure} />}
        <button type="submit" class="primary" disabled={busy || token.trim() === ''}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
        <details>
          <summary>Where do I get a token?</summary>
          <p>
            An admin makes one for you, here on the page Access or with{' '}
            <code>fedrot token create --dashboard ada --role operator</code>.
          </p>
          <p>
            The first one, an admin&rsquo;s, lies beside the coordinator: the file{' '}
            <code>pki/dashboard-token</code> in its data folder. With Docker:{' '}
            <code>docker compose exec coordinator cat /data/pki/dashboard-token</code>
          </p>
        </details>
      </form>
    </main>
  );
}
