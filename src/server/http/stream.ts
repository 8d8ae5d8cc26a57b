import type { Context } from 'hono';
import { streamSSE, type SSEStreamingApi } from 'hono/streaming';
import type { StreamEvents } from '../../api/types.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { runChanges, taskChanges } from './live.js';
import type { RunSeriesCache } from './run-series.js';
import { summaryOf, tasksOf } from './views.js';

export interface StreamOptions {
  readonly coordinator: Coordinator;
  readonly series: RunSeriesCache;
  readonly software: string;
  /** Another one after every start: how a page learns that it has to look at everything anew. */
  readonly instance: string;
}

/** How often a page is told what is new; in between nothing is sent. */
const LOOK_MS = 500;
/** Something is said at least so often, so that neither side nor a proxy takes the line for dead. */
const PING_MS = 10_000;

/** GET /api/v1/stream[?run=ID]: server-sent events, StreamEvents by name (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
export function openStream(context: Context, options: StreamOptions): Response {
  const runId = context.req.query('run');
  const { coordinator } = options;
  if (runId !== undefined) coordinator.run(runId);
  context.header('X-Accel-Buffering', 'no'); // nginx would hold events back
  return streamSSE(context, async (stream) => {
    const watcher = new Watcher(stream, options, runId);
    await watcher.start();
    let quietMs = 0;
    while (!stream.aborted && !stream.closed && !coordinator.draining) {
      quietMs = (await watcher.look()) ? 0 : quietMs + LOOK_MS;
      if (quietMs >= PING_MS) {
        await stream.write(': still here\n\n');
        quietMs = 0;
      }
      await stream.sleep(LOOK_MS);
    }
  });
}

/** What one page has been told so far. */
class Watcher {
  readonly #runs = runChanges();
  #tasks = taskChanges();
  #silos: string | undefined;
  #revision = 0;
  /** `round`: the last one that was told with its diagnosis, or without any to come. */
  #series = { key: '', round: 0, ms: -1, isFirst: true };
  #round = -1;
  #logSeq = -1;

  constructor(
    private readonly stream: SSEStreamingApi,
    private readonly options: StreamOptions,
    private readonly runId: string | undefined,
  ) {}

  async start(): Promise<void> {
    const { software, instance, coordinator } = this.options;
    await this.#send('hello', { nowMs: coordinator.clock.now(), software, instance });
  }

  /** Sends what is new; false where nothing is. */
  async look(): Promise<boolean> {
    const told = [await this.#lookAtRuns(), await this.#lookAtSilos(), await this.#lookAtRun()];
    return told.includes(true);
  }

  async #lookAtRuns(): Promise<boolean> {
    const { changed } = this.#runs.take(this.options.coordinator.runs().map(summaryOf));
    if (changed.length > 0) await this.#send('runs', changed);
    return changed.length > 0;
  }

  async #lookAtSilos(): Promise<boolean> {
    const all = this.options.coordinator.silos.all();
    const now = all.map(({ record, connected }) => `${record.silo}${connected ? '+' : '-'}`).join();
    if (now === this.#silos) return false;
    this.#silos = now;
    const here = all.filter((entry) => entry.connected);
    await this.#send('silos', {
      connected: here.length,
      trainers: here.filter(({ record }) => record.role === 'trainer').length,
      known: all.length,
      revision: ++this.#revision,
    });
    return true;
  }

  async #lookAtRun(): Promise<boolean> {
    const { coordinator, series } = this.options;
    if (this.runId === undefined) return false;
    const run = coordinator.run(this.runId);
    const { round, version, evaluations: open } = run.state;
    const [undiagnosed = Infinity] = run.undiagnosed;
    if (round !== this.#round) this.#tasks = taskChanges();
    const { changed, whole } = this.#tasks.take(tasksOf(coordinator, run));
    const isNew = round !== this.#round;
    this.#round = round;
    if (changed.length > 0 || whole || isNew)
      await this.#send('tasks', { run: this.runId, round, changed, whole: whole || isNew });
    if (run.logSeq !== this.#logSeq) await this.#send('log', { run: this.runId, lastSeq: run.logSeq });
    this.#logSeq = run.logSeq;
    // Only these bring a new point.
    const key = `${version}/${run.undiagnosed.size}/${open.map(({ id }) => id).join()}`;
    const told = this.#series;
    if (key === told.key) return changed.length > 0;
    const fresh = await series.read(this.runId, told.round, told.ms);
    const isMore = fresh.rounds.length > 0 || fresh.evaluations.length > 0;
    if (isMore || told.isFirst) {
      const { rounds, evaluations } = fresh;
      await this.#send('series', { run: this.runId, rounds, evaluations, whole: told.isFirst });
    }
    const last = fresh.rounds.at(-1)?.round ?? told.round;
    this.#series = { key, round: Math.min(last, undiagnosed - 1), ms: fresh.lastMs, isFirst: false };
    return changed.length > 0 || isMore;
  }

  async #send<K extends keyof StreamEvents>(event: K, data: StreamEvents[K]): Promise<void> {
    await this.stream.writeSSE({ event, data: JSON.stringify(data) });
  }
}
