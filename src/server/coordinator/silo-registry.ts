import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { Logger } from '../../log.js';
import type { SiloRecord, Store } from '../store/store.js';

export type SiloRole = SiloRecord['role'];

/** What a daemon says of itself. */
export type Introduction = Pick<
  SiloRecord,
  'silo' | 'role' | 'softwareVersion' | 'protocol' | 'examples' | 'labels'
>;

export interface KnownSilo {
  readonly record: SiloRecord;
  readonly connected: boolean;
}

interface Entry {
  record: SiloRecord;
  connected: boolean;
  /** Counts as gone when nothing is heard until then. */
  goneAtMs: number;
  /** Uploads that wait for the coordinator: who is not served cannot be silent. */
  waiting?: number;
}

export interface SiloRegistryOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatIntervalMs: number;
  readonly onJoin: (record: SiloRecord) => Promise<void>;
  readonly onLeave: (silo: string) => Promise<void>;
}

/** Three missed heartbeats in a row count as gone (proto/fedrot/v1/coordinator.proto). */
const MISSED_HEARTBEATS = 3;

/** Ends every message about a session that is over: the daemon registers again, nobody was refused for who he is. */
export const isSessionOver = (message: string): boolean =>
  /register \(?again\)?$|call Register first$/.test(message);

/** Who is there: sessions, signs of life, and who has gone silent. */
export class SiloRegistry {
  readonly #options: SiloRegistryOptions;
  readonly #entries = new Map<string, Entry>();
  #stop: () => void = () => undefined;
  #closed = false;

  constructor(options: SiloRegistryOptions) {
    this.#options = options;
  }

  /** After a start: every silo of the store; those that were at work count as connected until `graceMs` has passed. */
  restore(records: readonly SiloRecord[], atWork: ReadonlySet<string>, graceMs: number): void {
    const { clock, heartbeatIntervalMs } = this.#options;
    const goneAtMs = clock.now() + Math.max(graceMs, MISSED_HEARTBEATS * heartbeatIntervalMs);
    for (const record of records)
      this.#entries.set(record.silo, { record, connected: atWork.has(record.silo), goneAtMs });
  }

  /** Begins to look for silent silos. */
  start(): void {
    if (this.#closed) return;
    const { clock, heartbeatIntervalMs, logger } = this.#options;
    this.#stop = clock.after(heartbeatIntervalMs, () => {
      this.#sweep()
        .catch((error: unknown) => {
          logger.error({ err: error }, 'silent silos could not be set aside; trying again');
        })
        .finally(() => {
          this.start();
        });
    });
  }

  close(): void {
    this.#closed = true;
    this.#stop();
  }

  /** A daemon has come (again); resolves with its session. A daemon of the same name that was there before is out. */
  async register(introduction: Introduction): Promise<string> {
    const { store, clock, logger, onJoin } = this.#options;
    const { silo, role } = introduction;
    const known = this.#entries.get(silo);
    const now = clock.now();
    if (known?.connected === true && known.record.role !== role)
      logger.warn({ silo, role }, 'a connected silo has registered again in another role');
    const record: SiloRecord = {
      ...introduction,
      sessionId: randomUUID(),
      firstSeenMs: known?.record.firstSeenMs ?? now,
      lastSeenMs: now,
    };
    await store.saveSilo(record);
    this.#entries.set(silo, { record, connected: true, goneAtMs: this.#deadline() });
    await onJoin(record);
    return record.sessionId;
  }

  /** A sign of life. Throws unauthenticated where the caller has to register (again). */
  touch(silo: string, sessionId: string | undefined): SiloRecord {
    const entry = this.#entries.get(silo);
    const again = 'register again';
    if (entry === undefined)
      throw new FedrotError('unauthenticated', `silo ${silo} is not registered: call Register first`);
    if (sessionId !== entry.record.sessionId)
      throw new FedrotError(
        'unauthenticated',
        `the session of silo ${silo} is not the current one (a daemon of this name has registered since): ${again}`,
      );
    if (!entry.connected)
      throw new FedrotError(
        'unauthenticated',
        `silo ${silo} counts as gone after ${MISSED_HEARTBEATS} missed heartbeats: ${again}`,
      );
    entry.record = { ...entry.record, lastSeenMs: this.#options.clock.now() };
    entry.goneAtMs = Math.max(entry.goneAtMs, this.#deadline());
    return entry.record;
  }

  /** A part of an upload has come: its sender is there, whether or not its heartbeats get through behind it. */
  heard(silo: string): void {
    const entry = this.#entries.get(silo);
    if (entry?.connected === true) entry.goneAtMs = Math.max(entry.goneAtMs, this.#deadline());
  }

  /** While the silo waits for its turn, silence is the coordinator's. */
  async whileWaiting<T>(silo: string, turn: Promise<T>): Promise<T> {
    const entry = this.#entries.get(silo);
    if (entry === undefined) return turn;
    entry.waiting = (entry.waiting ?? 0) + 1;
    try {
      return await turn;
    } finally {
      entry.waiting -= 1;
      this.heard(silo);
    }
  }

  /** Counts a silo as gone at once, and its session as over: it was revoked. */
  async expel(silo: string): Promise<void> {
    const entry = this.#entries.get(silo);
    if (entry === undefined) return;
    entry.record = { ...entry.record, sessionId: '' };
    if (!entry.connected) return;
    entry.connected = false;
    await this.#options.store.saveSilo(entry.record);
    await this.#options.onLeave(silo);
    this.#options.logger.warn({ silo }, 'silo was put out');
  }

  /** The name that a session belongs to. Throws unauthenticated. */
  siloOfSession(sessionId: string | undefined): string {
    for (const [silo, { record }] of this.#entries) if (record.sessionId === sessionId) return silo;
    throw new FedrotError('unauthenticated', 'the call carries no current session: register (again)');
  }

  get(silo: string): KnownSilo | undefined {
    return this.#entries.get(silo);
  }

  /** In order of name. */
  all(): readonly KnownSilo[] {
    return [...this.#entries.values()].sort((x, y) => (x.record.silo < y.record.silo ? -1 : 1));
  }

  connected(): readonly SiloRecord[] {
    return this.all()
      .filter((entry) => entry.connected)
      .map((entry) => entry.record);
  }

  #deadline(): number {
    return this.#options.clock.now() + MISSED_HEARTBEATS * this.#options.heartbeatIntervalMs;
  }

  async #sweep(): Promise<void> {
    const { clock, store, logger, onLeave } = this.#options;
    const now = clock.now();
    for (const [silo, entry] of this.#entries) {
      if (!entry.connected || now < entry.goneAtMs || (entry.waiting ?? 0) > 0) continue;
      await store.saveSilo(entry.record);
      await onLeave(silo);
      entry.connected = false;
      logger.warn({ silo, lastSeenMs: entry.record.lastSeenMs }, 'silo has gone silent');
    }
  }
}
