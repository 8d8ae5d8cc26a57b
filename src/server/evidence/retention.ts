import type { Clock } from '../../clock.js';
import type { AuditLog } from '../../evidence/audit.js';
import { groupBy } from '../../group-by.js';
import type { Logger } from '../../log.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import type { Store, StoredUpdate } from '../store/store.js';

/** How often is looked for updates whose time is over; ms. */
const SWEEP_MS = 10 * 60_000;

export interface RetentionOptions {
  readonly store: Store;
  readonly spool: TensorSpool;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Raw updates are deleted so long after their round was published; ms. */
  readonly keepUpdatesMs: number;
}

/** Deletes raw updates when their time is over and their round is diagnosed; manifests, hashes and adapters stay. */
export class Retention {
  readonly #options: RetentionOptions;
  #sweptToMs = 0;
  #stop: () => void = () => undefined;
  #closed = false;
  #working: Promise<unknown> = Promise.resolve();

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed) return;
    const { clock, logger, keepUpdatesMs } = this.#options;
    this.#working = this.sweep().catch((error: unknown) => {
      logger.error({ err: error }, 'old updates could not be deleted; trying again later');
    });
    this.#stop = clock.after(Math.min(SWEEP_MS, Math.max(1000, keepUpdatesMs)), () => {
      this.start();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    await this.#working;
  }

  /** Deletes what is due; resolves with the number of files. */
  async sweep(): Promise<number> {
    const { store, clock, keepUpdatesMs } = this.#options;
    const toMs = clock.now() - keepUpdatesMs;
    if (toMs <= this.#sweptToMs) return 0;
    const due = await store.publishedUpdates(this.#sweptToMs, toMs);
    const needed = await store.undiagnosedFiles();
    const free = due.filter(({ sha256 }) => !needed.has(sha256));
    const rounds = groupBy(free, ({ runId, round }) => `${runId} round ${round}`);
    let deleted = 0;
    for (const [round, updates] of rounds) deleted += await this.#delete(round, updates);
    // What was held back is looked at again.
    if (free.length === due.length) this.#sweptToMs = toMs;
    return deleted;
  }

  async #delete(round: string, updates: readonly StoredUpdate[]): Promise<number> {
    const { spool, audit, logger } = this.#options;
    const adapters = await this.#options.store.adapterFiles();
    let deleted = 0;
    for (const { sha256 } of updates)
      // An update may be bit for bit the adapter that came of it.
      if (!adapters.has(sha256) && (await spool.remove(sha256))) deleted++;
    if (deleted === 0) return 0;
    await audit.record({
      actor: 'coordinator:retention',
      action: 'updates.delete',
      object: round,
      outcome: 'ok',
      detail: `${deleted} raw updates deleted; their hashes stay in the round's manifest`,
    });
    logger.info({ round, deleted }, 'deleted raw updates');
    return deleted;
  }
}
