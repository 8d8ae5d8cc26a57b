import type { Clock } from '../../clock.js';
import type { Logger } from '../../log.js';
import type { RunSpec } from '../../run-spec.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import type { Effect, Step } from '../round/effects.js';
import type { RunEvent } from '../round/events.js';
import { LOG_KINDS, narrate, type LogLine } from '../round/narrate.js';
import { nextWakeMs } from '../round/outstanding.js';
import { countingRound } from '../round/staleness.js';
import type { RunState } from '../round/state.js';
import { step } from '../round/step.js';
import type {
  AdapterRecord,
  DiagnosisRecord,
  FailureRecord,
  NumberedEvent,
  RunChange,
  RunLogEntry,
  Store,
  UpdateRecord,
} from '../store/store.js';

type WithoutTime<E> = E extends { readonly at: number } ? Omit<E, 'at'> : never;
/** An event before the run has taken it: it gets its time when its turn comes. */
export type RunInput = WithoutTime<RunEvent>;

/** Records to be stored in the same transaction as the event, if it is taken. */
export interface Records extends Pick<RunChange, 'evaluations' | 'published'> {
  /** The round that counts them is known when the event is taken. */
  readonly updates?: readonly Omit<UpdateRecord, 'countedIn'>[];
}

export interface RunActorOptions {
  readonly runId: string;
  readonly spec: RunSpec;
  readonly createdMs: number;
  readonly state: RunState;
  /** Number of the last stored event. */
  readonly seq: number;
  /** Number of the last entry of the run's log. */
  readonly logSeq: number;
  readonly adapters: readonly AdapterRecord[];
  /** Published rounds that wait for their diagnosis, in order. */
  readonly undiagnosed?: readonly number[];
  /** Names, shapes and dtypes of the run's adapter. */
  readonly tensors: readonly TensorInfo[];
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after the events are durable. */
  readonly onStep: (actor: RunActor, before: RunState, effects: readonly Effect[], at: number) => void;
  /** Called after a diagnosis is durable. */
  readonly onDiagnosed?: (actor: RunActor, round: number) => void;
}

/** What the diagnosis of a published round came to; `line` where there is something to say of it. */
export interface Diagnosed extends Pick<DiagnosisRecord, 'round' | 'diagnosis' | 'diagnosticsJson'> {
  readonly line?: LogLine;
}

interface Waiting {
  readonly input: RunInput;
  readonly records: Records;
  readonly resolve: (taken: Step) => void;
  readonly reject: (error: unknown) => void;
}

type TakenRecords = Records & { readonly countedIn: number };

const SNAPSHOT_EVERY = 100;
const STORAGE_RETRY_MS = 5000;

/**
 * One run: takes events one after the other, lets the reducer decide, stores, and only then answers and acts. Events
 * that arrive while others are being stored share the next transaction.
 */
export class RunActor {
  readonly runId: string;
  readonly spec: RunSpec;
  readonly createdMs: number;
  readonly tensors: readonly TensorInfo[];
  readonly #options: RunActorOptions;
  readonly #adapters: Map<number, AdapterRecord>;
  readonly #undiagnosed: Set<number>;
  #notes: (() => Promise<void>)[] = [];
  #state: RunState;
  #seq: number;
  #logSeq: number;
  #sinceSnapshot = 0;
  #queue: Waiting[] = [];
  #working: Promise<void> | undefined;
  #disarm: () => void = () => undefined;
  #closed = false;

  constructor(options: RunActorOptions) {
    const { runId, spec, createdMs, state, seq, logSeq, tensors } = options;
    this.#options = options;
    this.runId = runId;
    this.spec = spec;
    this.createdMs = createdMs;
    this.tensors = tensors;
    this.#state = state;
    this.#seq = seq;
    this.#logSeq = logSeq;
    this.#adapters = new Map(options.adapters.map((adapter) => [adapter.version, adapter]));
    this.#undiagnosed = new Set(options.undiagnosed);
  }

  /** What is durable. */
  get state(): RunState {
    return this.#state;
  }

  /** Every published version, the initial one included. */
  get adapters(): ReadonlyMap<number, AdapterRecord> {
    return this.#adapters;
  }

  /** Published rounds that wait for their diagnosis, in order. */
  get undiagnosed(): ReadonlySet<number> {
    return this.#undiagnosed;
  }

  /** Number of the newest entry of the run's log. */
  get logSeq(): number {
    return this.#logSeq;
  }

  /** Begins to watch the clock. */
  start(): void {
    this.#arm(nextWakeMs(this.#state));
  }

  /** Resolves when the event and its records are durable, or refused; rejects where they could not be stored, as if never sent. */
  send(input: RunInput, records: Records = {}): Promise<Step> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ input, records, resolve, reject });
      this.#working ??= this.#work();
    });
  }

  /** Keeps what a diagnosis came to: no event, as it decides nothing. Resolves when it is durable; rejects where it could not be stored. */
  diagnosed({ line, ...record }: Diagnosed): Promise<void> {
    const store = async (): Promise<void> => {
      const log = this.#numbered(line === undefined ? [] : [line], this.#options.clock.now());
      await this.#options.store.saveDiagnosis(this.runId, { ...record, log });
      this.#logSeq += log.length;
      this.#undiagnosed.delete(record.round);
      this.#options.onDiagnosed?.(this, record.round);
    };
    return new Promise((resolve, reject) => {
      this.#notes.push(() => store().then(resolve, reject));
      this.#working ??= this.#work();
    });
  }

  /** Stops the clock; resolves when everything that was sent is stored. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#disarm();
    await this.#working;
  }

  async #work(): Promise<void> {
    // Everything that is sent in the same turn of the event loop goes into one transaction.
    await Promise.resolve();
    while (this.#queue.length > 0 || this.#notes.length > 0) {
      if (this.#queue.length > 0) await this.#take(this.#queue.splice(0));
      else await this.#notes.shift()?.();
    }
    // In the same turn as the look at the queue: an event sent between the two would wait for ever.
    this.#working = undefined;
  }

  async #take(batch: readonly Waiting[]): Promise<void> {
    const before = this.#state;
    const at = this.#options.clock.now();
    const taken: { readonly waiting: Waiting; readonly result: Step }[] = [];
    const events: NumberedEvent[] = [];
    const records: TakenRecords[] = [];
    const lines: LogLine[] = [];
    const failures: FailureRecord[] = [];
    const effects: Effect[] = [];
    let state = before;
    for (const waiting of batch) {
      const event = { ...waiting.input, at } as RunEvent;
      const result = step(state, event);
      taken.push({ waiting, result });
      const changed = result.state !== state || result.effects.length > 0;
      if (changed) events.push({ seq: this.#seq + events.length + 1, event });
      if (changed && result.refusal === undefined)
        records.push({
          ...waiting.records,
          countedIn: event.type === 'update' ? countingRound(result.state, event.taskId) : result.state.round,
        });
      if (changed) lines.push(...narrate(state, event, result));
      failures.push(...failuresOf(result.effects, state.round, at));
      effects.push(...result.effects);
      state = result.state;
    }
    const log = this.#numbered(lines, at);
    try {
      if (events.length > 0) await this.#store({ before, state, events, records, failures, log, effects });
    } catch (error) {
      for (const { reject } of batch) reject(error);
      this.#arm(at + STORAGE_RETRY_MS);
      return;
    }
    this.#state = state;
    this.#seq += events.length;
    this.#logSeq += log.length;
    for (const { published } of records)
      if (published !== undefined && state.version >= published.round) {
        if (published.diagnosis === 'pending') this.#undiagnosed.add(published.round);
        this.#adapters.set(published.round, {
          version: published.round,
          createdMs: published.publishedMs,
          ...published.adapter,
          ...(published.merge && { merge: published.merge }),
          ...(published.state && { state: published.state }),
        });
      }
    for (const { waiting, result } of taken) waiting.resolve(result);
    if (events.length > 0) this.#tell(before, effects, at);
    this.#arm(nextWakeMs(state));
  }

  /** What is stored stays stored, whatever happens to those who are told. */
  #tell(before: RunState, effects: readonly Effect[], at: number): void {
    try {
      this.#options.onStep(this, before, effects, at);
    } catch (error) {
      this.#options.logger.error({ err: error, run: this.runId }, 'an effect could not be performed');
    }
  }

  async #store(given: {
    before: RunState;
    state: RunState;
    events: readonly NumberedEvent[];
    records: readonly TakenRecords[];
    failures: readonly FailureRecord[];
    log: readonly RunLogEntry[];
    effects: readonly Effect[];
  }): Promise<void> {
    const { before, state, events, records, failures, log, effects } = given;
    const sinceSnapshot = this.#sinceSnapshot + events.length;
    const keep =
      before.phase !== state.phase || before.round !== state.round || sinceSnapshot >= SNAPSHOT_EVERY;
    const calledOff = effects.find((effect) => effect.type === 'call-off');
    const published = records.find((entry) => entry.published !== undefined)?.published;
    await this.#options.store.commit({
      runId: this.runId,
      events,
      failures,
      log,
      ...(calledOff && { calledOff: calledOff.round }),
      updates: records.flatMap(({ updates = [], countedIn }) =>
        updates.map((update) => ({ ...update, countedIn })),
      ),
      evaluations: records.flatMap((entry) => entry.evaluations ?? []),
      ...(keep ? { snapshot: state } : {}),
      ...(published !== undefined && state.version > before.version ? { published } : {}),
    });
    this.#sinceSnapshot = keep ? 0 : sinceSnapshot;
  }

  #numbered(lines: readonly LogLine[], atMs: number): readonly RunLogEntry[] {
    return lines.map(({ kind, round, silo = '', code = '', message }, index) => ({
      seq: this.#logSeq + index + 1,
      atMs,
      level: LOG_KINDS[kind],
      kind,
      round,
      silo,
      code,
      message,
    }));
  }

  #arm(wakeMs: number | undefined): void {
    this.#disarm();
    if (wakeMs === undefined || this.#closed) return;
    const { clock, logger } = this.#options;
    this.#disarm = clock.after(Math.max(0, wakeMs - clock.now()), () => {
      this.send({ type: 'tick' }).catch((error: unknown) => {
        logger.error({ err: error, run: this.runId }, 'the passing of a deadline could not be stored');
      });
    });
  }
}

function failuresOf(effects: readonly Effect[], round: number, atMs: number): readonly FailureRecord[] {
  return effects
    .filter((effect) => effect.type === 'failure')
    .map(({ silo, taskId, code, message }) => ({ round, silo, taskId, code, message, atMs }));
}
