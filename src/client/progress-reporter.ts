import type { Clock } from '../clock.js';
import type { Connection } from './link/connection.js';

export type Phase = 'fetching' | 'preparing' | 'training' | 'uploading' | 'evaluating';

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
    calls
      .reportProgress({ silo, taskId: this.taskId, phase, step, totalSteps, loss }, { deadlineMs: 10_000 })
      .catch(() => undefined);
  }
}
