import type { Logger } from '../../log.js';
import type { CoordinatorMetrics } from '../metrics.js';
import type { Effect } from '../round/effects.js';
import { stalenessOf } from '../round/staleness.js';
import type { RunState } from '../round/state.js';
import { doneTasks } from '../round/tasks.js';

/** What operators see of a run's steps: log lines and metrics. Decides nothing. */
export class RunObserver {
  readonly #since = new Map<string, number>();

  constructor(
    private readonly logger: Logger,
    private readonly metrics: CoordinatorMetrics,
  ) {}

  /** Begins to watch a run, or notes that it has got on; `at` in ms. */
  progressed(run: string, at: number): void {
    this.metrics.lastProgress.set({ run }, at / 1000);
  }

  step(before: RunState, after: RunState, effects: readonly Effect[], at: number): void {
    const { runId: run, round } = after;
    for (const effect of effects)
      if (effect.type === 'failure') {
        const { silo, taskId, code, message } = effect;
        this.metrics.taskFailures.inc({ code });
        this.logger.warn({ run, silo, taskId, code }, `silo ${silo}: ${message}`);
      }
    if (after.version > before.version) {
      if (before.rollback === null)
        for (const task of doneTasks(before))
          this.metrics.staleness.observe({ run }, stalenessOf(before, task));
      this.metrics.rounds.inc({ run });
      this.metrics.roundDuration.observe({ run }, (at - before.startedMs) / 1000);
    }
    if (isProgress(before, after)) this.progressed(run, at);
    this.metrics.currentRound.set({ run }, round);
    if (before.phase === after.phase && before.round === after.round && before.attempt === after.attempt)
      return;
    const since = this.#since.get(run);
    if (since !== undefined) this.metrics.phase.observe({ run, phase: before.phase }, (at - since) / 1000);
    this.#since.set(run, at);
    this.logger.info(
      {
        run,
        round,
        attempt: after.attempt,
        version: after.version,
        phase: after.phase,
        updates: doneTasks(after).length,
        ...(after.reason === '' ? {} : { reason: after.reason }),
      },
      after.outcome === null ? `run is ${after.phase}` : `run has ${WORDS[after.outcome]}`,
    );
  }
}

/** An update, an evaluation or a version has come, or the phase has changed. */
function isProgress(before: RunState, after: RunState): boolean {
  return (
    after.version > before.version ||
    after.phase !== before.phase ||
    doneTasks(after).length > doneTasks(before).length ||
    (after.version === before.version && after.evaluations.length < before.evaluations.length)
  );
}

const WORDS = { finished: 'finished', stopped: 'been stopped', failed: 'failed' } as const;
