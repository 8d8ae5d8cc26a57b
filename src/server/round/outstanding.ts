import { baseOf, roundOf } from './staleness.js';
import type { RunState } from './state.js';

/** A task as a silo has to hear of it. */
export type OutstandingTask =
  | {
      readonly kind: 'train';
      readonly id: string;
      readonly round: number;
      readonly baseVersion: number;
      readonly deadlineMs: number;
    }
  | { readonly kind: 'evaluate'; readonly id: string; readonly version: number; readonly deadlineMs: number };

/** Everything that is outstanding for a silo: what it is told when it opens its stream of assignments. */
export function outstandingTasks(state: RunState, silo: string): readonly OutstandingTask[] {
  if (state.phase === 'done') return [];
  const train = [...(state.phase === 'collecting' ? state.tasks : []), ...state.carried];
  return [
    ...train
      .filter((task) => task.silo === silo && task.state === 'assigned')
      .map((task): OutstandingTask => {
        const [round, baseVersion] = [roundOf(state, task), baseOf(state, task)];
        return { kind: 'train', id: task.id, round, baseVersion, deadlineMs: state.dueMs };
      }),
    ...state.evaluations
      .filter((task) => task.silo === silo)
      .map((task): OutstandingTask => {
        const { id, version, deadlineMs } = task;
        return { kind: 'evaluate', id, version, deadlineMs };
      }),
  ];
}

/** When the run must be given a tick at the latest, ms since the Unix epoch; undefined: when something happens. */
export function nextWakeMs(state: RunState): number | undefined {
  if (state.phase === 'done') return undefined;
  const times = state.evaluations.map((task) => task.deadlineMs);
  if (state.dueMs > 0) times.push(state.dueMs);
  // Whoever was set aside may be what the run waits for.
  for (const { asideUntilMs } of state.standings) if (asideUntilMs > 0) times.push(asideUntilMs);
  return times.length === 0 ? undefined : Math.min(...times);
}
