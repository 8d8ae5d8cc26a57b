import type { Clock } from '../clock.js';
import type { Journal } from '../evidence/journal.js';
import type { Connection } from './link/connection.js';
import { outgoing } from './link/journalled.js';

export const PHASES = ['fetching', 'preparing', 'training', 'uploading', 'evaluating'] as const;
export type Phase = (typeof PHASES)[number];

export interface Progress {
  readonly phase: Phase;
  readonly step?: number;
  readonly totalSteps?: number;
  readonly loss?: number;
}

/** Steps are reported no more often than this; a new phase and the last step always are. */
const INTERVAL_MS = 500;

/** Tells the coordinator how a task is getting on. Reports that fail are lost: the next one says more. */
export class ProgressReporter {
  #lastMs = Number.NEGATIVE_INFINITY;
  #phase: Phase | undefined;
  readonly #sent: object[] = [];

  constructor(
    private readonly connection: Connection,
    private readonly taskId: string,
    private readonly clock: Clock,
    /** Told of every phase. */
    private readonly metrics?: { enter(phase: Phase): void },
  ) {}

  report({ phase, step = 0, totalSteps = 0, loss = 0 }: Progress): void {
    this.metrics?.enter(phase);
    const now = this.clock.now();
    const due = now - this.#lastMs >= INTERVAL_MS || phase !== this.#phase || step === totalSteps;
    if (!due) return;
    this.#lastMs = now;
    this.#phase = phase;
    const { silo, calls } = this.connection;
    const message = { silo, taskId: this.taskId, phase, step, totalSteps, loss };
    this.#sent.push(message);
    calls.reportProgress(message, { deadlineMs: 10_000 }).catch(() => undefined);
  }

  /** All reports of the task as one entry of the journal, when it is over. */
  async writeDown(journal: Journal, place: { readonly run: string; readonly round: number }): Promise<void> {
    if (this.#sent.length === 0) return;
    const what = outgoing('progress', this.connection.address, place, this.#sent);
    await journal.record({ ...what, event: 'sent' });
  }
}
