import type { ComponentChildren, JSX } from 'preact';
import { formatDuration, formatTime } from '../lib/format.js';
import { connect, connection, silos } from '../state/live.js';
import { route } from '../state/router.js';
import { may, session, signOut, tick } from '../state/session.js';
import { setTheme, theme, THEMES } from '../state/theme.js';
import { Icon, type IconName } from './icon.tsx';

/** What is around every page: where one is, who one is, and whether what one sees is still true. */
export function Shell({ children }: { readonly children: ComponentChildren }): JSX.Element {
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to the page
      </a>
      <header class="side">
        <a class="brand" href="/" aria-label="fedrot, runs">
          <Logo />
          fedrot
        </a>
        <Navigation />
        <Who />
      </header>
      <div class="page">
        <Disconnected />
        <main id="main">{children}</main>
      </div>
    </div>
  );
}

export function Logo(): JSX.Element {
  return (
    <svg viewBox="0 0 32 32" aria-hidden="true" class="logo">
      <rect width="32" height="32" rx="8" />
      <path d="M16 16 25 9.5" />
      <path d="M16 16 26 18.5" opacity=".75" />
      <path d="M16 16 12 26" opacity=".55" />
      <path d="M23.5 23.2A10.4 10.4 0 1 1 20 6.4" />
      <circle cx="16" cy="16" r="2.6" />
    </svg>
  );
}

function Navigation(): JSX.Element {
  const { page } = route.value;
  const entries: readonly {
    readonly href: string;
    readonly name: string;
    readonly icon: IconName;
    readonly on: boolean;
    readonly more?: string;
  }[] = [
    { href: '/', name: 'Runs', icon: 'runs', on: ['runs', 'run', 'new-run'].includes(page) },
    {
      href: '/silos',
      name: 'Silos',
      icon: 'silos',
      on: page === 'silos',
      ...(silos.value && { more: String(silos.value.connected) }),
    },
    ...(may('admin')
      ? [{ href: '/access', name: 'Access', icon: 'access' as const, on: page === 'access' }]
      : []),
  ];
  return (
    <nav aria-label="Main">
      {entries.map(({ href, name, icon, on, more }) => (
        <a key={href} href={href} aria-current={on ? 'page' : undefined}>
          <Icon name={icon} />
          {name}
          {more !== undefined && (
            <span class="count" title="connected">
              {more}
            </span>
          )}
        </a>
      ))}
    </nav>
  );
}

function Who(): JSX.Element | null {
  const known = session.value;
  if (!known) return null;
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto';
  return (
    <div class="who">
      <Status />
      <p>
        <strong>{known.name}</strong> <span class="quiet">{known.role}</span>
      </p>
      <p class="quiet">
        {known.coordinator} · {known.software}
      </p>
      <div class="who-actions">
        <button
          type="button"
          class="small bare"
          onClick={() => setTheme(next)}
          aria-label={`Colours: ${theme.value}. Change to ${next}`}
        >
          <Icon name="sun" />
          {theme.value}
        </button>
        {known.byToken && (
          <button type="button" class="small bare" onClick={() => void signOut()}>
            <Icon name="out" />
            Sign out
          </button>
        )}
      </div>
    </div>
  );
}

const WORDS = { connecting: 'Connecting…', live: 'Live', lost: 'Disconnected' } as const;

function Status(): JSX.Element {
  const { state } = connection.value;
  return (
    <p class={`status ${state}`} role="status">
      <i />
      {WORDS[state]}
    </p>
  );
}

function Disconnected(): JSX.Element | null {
  const known = connection.value;
  if (known.state !== 'lost') return null;
  const inMs = known.retryMs - tick.value;
  return (
    <div class="banner" role="alert">
      <Icon name="warning" />
      <p>
        <strong>The coordinator does not answer.</strong> You see what was known at{' '}
        {formatTime(known.sinceMs)}; runs go on where they were when it is back.
      </p>
      <button type="button" class="small" onClick={connect}>
        Try now{inMs > 1000 ? ` (in ${formatDuration(inMs)})` : ''}
      </button>
    </div>
  );
}
