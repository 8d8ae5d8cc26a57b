import type { ComponentChildren, JSX } from 'preact';
import type { RunState } from '../../api/types.js';
import type { ApiFailure } from '../state/api.js';
import { Icon, type IconName } from './icon.tsx';

/** Small parts that every page is made of. */

export function Card(props: {
  readonly title?: string;
  readonly about?: string;
  readonly actions?: ComponentChildren;
  readonly class?: string;
  readonly children: ComponentChildren;
}): JSX.Element {
  const { title, about, actions, children } = props;
  return (
    <section class={`card ${props.class ?? ''}`}>
      {title !== undefined && (
        <header class="card-head">
          <div>
            <h2>{title}</h2>
            {about !== undefined && <p class="quiet">{about}</p>}
          </div>
          {actions}
        </header>
      )}
      {children}
    </section>
  );
}

export function PageHead(props: {
  readonly title: string;
  readonly about?: ComponentChildren;
  readonly badge?: ComponentChildren;
  readonly children?: ComponentChildren;
}): JSX.Element {
  document.title = `${props.title} · fedrot`;
  return (
    <div class="page-head">
      <div>
        <h1 tabIndex={-1}>
          {props.title} {props.badge}
        </h1>
        {props.about !== undefined && <p class="quiet">{props.about}</p>}
      </div>
      {props.children !== undefined && <div class="actions">{props.children}</div>}
    </div>
  );
}

const RUN_TONES: Readonly<Record<RunState, string>> = {
  waiting: 'warn',
  running: 'live',
  paused: 'warn',
  finished: 'good',
  stopped: 'calm',
  failed: 'bad',
};

export function RunBadge({ state }: { readonly state: RunState }): JSX.Element {
  return <Badge tone={RUN_TONES[state]}>{state}</Badge>;
}

export function Badge(props: { readonly tone: string; readonly children: ComponentChildren }): JSX.Element {
  return <span class={`badge ${props.tone}`}>{props.children}</span>;
}

/** Nothing there yet, and what to do about it. */
export function Empty(props: {
  readonly icon: IconName;
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <Icon name={props.icon} />
      <h3>{props.title}</h3>
      {props.children}
    </div>
  );
}

export function Failure(props: { readonly failure: ApiFailure; readonly retry?: () => void }): JSX.Element {
  return (
    <div class="note bad" role="alert">
      <Icon name="warning" />
      <p>{props.failure.message}</p>
      {props.retry && (
        <button type="button" class="small" onClick={props.retry}>
          Try again
        </button>
      )}
    </div>
  );
}

export function Note(props: { readonly tone: string; readonly children: ComponentChildren }): JSX.Element {
  return (
    <div class={`note ${props.tone}`}>
      <Icon name={props.tone === 'warn' ? 'warning' : 'info'} />
      <div>{props.children}</div>
    </div>
  );
}

/** Holds the place of what is being asked for. */
export function Loading({ lines = 3 }: { readonly lines?: number }): JSX.Element {
  return (
    <div class="loading" role="status">
      <span class="hidden">Loading…</span>
      {Array.from({ length: lines }, (_, index) => (
        <span key={index} class="bone" />
      ))}
    </div>
  );
}

export function Facts(props: {
  readonly facts: readonly (readonly [name: string, value: ComponentChildren])[];
}): JSX.Element {
  return (
    <dl class="facts">
      {props.facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** `label` says of what, for those who do not see the bar. */
export function Progress(props: {
  readonly value: number;
  readonly max: number;
  readonly label: string;
  readonly tone?: string;
}): JSX.Element {
  const { value, max, label, tone = '' } = props;
  const share = max > 0 ? Math.min(1, value / max) : 0;
  return (
    <div
      class={`progress ${tone}`}
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={max}
      aria-valuenow={Math.min(value, max)}
    >
      <span style={{ width: `${(share * 100).toFixed(1)}%` }} />
    </div>
  );
}
