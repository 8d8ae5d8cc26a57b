import { child, roundContext, type Tracing } from '../../trace/tracing.js';
import type { RunState } from '../round/state.js';
import { doneTasks } from '../round/tasks.js';

/** A round as a trace: one span from its beginning to its publication, below it one for each phase. */
export class RoundTraces {
  /** When each run's phase began, ms. */
  readonly #since = new Map<string, number>();

  constructor(private readonly tracing: Tracing) {}

  /** After a step of a run that was created at `createdMs`; `at` in ms. */
  step(before: RunState, after: RunState, at: number, createdMs: number): void {
    if (!this.tracing.enabled) return;
    const { runId: run, round, attempt } = before;
    const moved = before.phase !== after.phase || round !== after.round || attempt !== after.attempt;
    const published = after.version > before.version;
    if (!moved && !published) return;
    const context = roundContext(run, createdMs, round);
    const since = this.#since.get(run);
    if (round > 0 && since !== undefined)
      this.tracing.record({
        name: before.phase,
        context: child(context),
        parent: context,
        startMs: since,
        endMs: at,
        attributes: { 'fedrot.run': run, 'fedrot.round': round, 'fedrot.attempt': attempt },
      });
    this.#since.set(run, at);
    if (published)
      this.tracing.record({
        name: 'round',
        context,
        startMs: before.startedMs,
        endMs: at,
        attributes: { 'fedrot.run': run, 'fedrot.round': round, 'fedrot.updates': doneTasks(before).length },
      });
  }
}
