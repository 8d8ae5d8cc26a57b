import type { Effect, Step } from './effects.js';
import type { RunEventOf } from './events.js';
import { askable } from './standing.js';
import type { RunState } from './state.js';
import { isRoundOpen } from './tasks.js';

/** A paused run begins no round. The running one goes on to its end, or with `hold` its time stands still. */
export function pause(state: RunState, { reason, hold, at }: RunEventOf<'pause'>): Step {
  const running = letGo(state, at);
  const isTimed = running.phase === 'collecting' || running.phase === 'waiting';
  const leftMs = hold && isTimed && isRoundOpen(running) && running.dueMs > 0 ? running.dueMs - at : 0;
  const paused: RunState = { ...running, pause: { reason, hold, leftMs } };
  if (leftMs > 0) return { state: { ...paused, dueMs: 0 }, effects: [] };
  const isIdle = running.phase === 'waiting' && !isRoundOpen(running);
  return { state: isIdle ? { ...paused, reason: `paused: ${reason}` } : paused, effects: [] };
}

/** Nothing where the run is not paused. Silos at work in a held round hear of its new deadline. */
export function resume(state: RunState, at: number): Step {
  if (state.pause === null) return { state, effects: [] };
  const resumed: RunState = { ...letGo(state, at), pause: null };
  const may = askable(resumed);
  const tasks = resumed.phase === 'collecting' ? resumed.tasks.filter(({ silo }) => may.includes(silo)) : [];
  const effects = tasks
    .filter((task) => task.state === 'assigned')
    .map((task): Effect => ({ type: 'assign', silo: task.silo, taskId: task.id }));
  return { state: resumed, effects: state.pause.leftMs > 0 ? effects : [] };
}

/** A held round has its time again. */
function letGo(state: RunState, at: number): RunState {
  if (state.pause === null || state.pause.leftMs === 0) return state;
  return { ...state, dueMs: at + state.pause.leftMs };
}
