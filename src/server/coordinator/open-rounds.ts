import { roundOf } from '../round/staleness.js';
import type { RunState } from '../round/state.js';
import { assignedTasks, isRoundOpen } from '../round/tasks.js';

/** The rounds whose tasks may still be answered. */
export function openRounds(state: RunState): ReadonlySet<number> {
  const rounds = new Set(assignedTasks(state).map((task) => roundOf(state, task)));
  const open = isRoundOpen(state) && (state.phase === 'collecting' || state.phase === 'waiting');
  return open ? rounds.add(state.round) : rounds;
}
