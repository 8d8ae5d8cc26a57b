import { batch, signal } from '@preact/signals';
import type { RunSummary, StreamEvents } from '../../api/types.js';
import { mergeRuns, mergeSeries, mergeTasks, type RunPoints, type RunTasks } from '../lib/merge.js';
import { apiPath } from './api.js';
import { loadSession, now, setClock } from './session.js';

/** What the coordinator says by itself. Kept while the connection is lost, so that a page never goes blank. */

export const runs = signal<readonly RunSummary[] | null>(null);
export const silos = signal<StreamEvents['silos'] | null>(null);
export const tasks = signal<RunTasks | null>(null);
export const series = signal<RunPoints | null>(null);
export const lastLog = signal<StreamEvents['log'] | null>(null);

export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  /** `sinceMs`: when it was lost. */
  | { readonly state: 'lost'; readonly sinceMs: number; readonly retryMs: number };

export const connection = signal<Connection>({ state: 'connecting' });

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 10_000;

let source: EventSource | undefined;
let watched: string | undefined;
let instance: string | undefined;
let waitMs = FIRST_RETRY_MS;
let timer: ReturnType<typeof setTimeout> | undefined;

/** Listens, in detail to one run where it is named. */
export function listen(run?: string): void {
  if (source && watched === run) return;
  watched = run;
  connect();
}

/** Ends what is there and connects anew. */
export function connect(): void {
  clearTimeout(timer);
  source?.close();
  const stream = new EventSource(
    apiPath(`/stream${watched === undefined ? '' : `?run=${encodeURIComponent(watched)}`}`),
  );
  source = stream;
  const on = <K extends keyof StreamEvents>(event: K, take: (data: StreamEvents[K]) => void): void => {
    stream.addEventListener(event, (message: MessageEvent<string>) =>
      batch(() => take(JSON.parse(message.data) as StreamEvents[K])),
    );
  };
  on('hello', (hello) => {
    setClock(hello.nowMs);
    // Another start of the coordinator: roles and versions may be others.
    if (instance !== undefined && instance !== hello.instance) {
      runs.value = null;
      void loadSession();
    }
    instance = hello.instance;
    waitMs = FIRST_RETRY_MS;
    connection.value = { state: 'live' };
  });
  on('runs', (changed) => {
    runs.value = mergeRuns(runs.value ?? [], changed);
  });
  on('silos', (news) => {
    runs.value ??= [];
    silos.value = news;
  });
  on('tasks', (news) => {
    tasks.value = mergeTasks(tasks.value, news);
  });
  on('series', (news) => {
    series.value = mergeSeries(series.value, news);
  });
  on('log', (news) => {
    lastLog.value = news;
  });
  stream.onerror = () => {
    // The browser's own retries give up on an answer that is no stream; these never do.
    if (stream !== source) return;
    stream.close();
    const before = connection.value;
    const sinceMs = before.state === 'lost' ? before.sinceMs : now.value;
    connection.value = { state: 'lost', sinceMs, retryMs: Date.now() + waitMs };
    timer = setTimeout(connect, waitMs);
    waitMs = Math.min(LAST_RETRY_MS, waitMs * 1.6);
  };
}
