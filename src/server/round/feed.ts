import type { Effect, Step } from './effects.js';
import { sample } from './sample.js';
import { askable, noteAsked } from './standing.js';
import { isAsync } from './staleness.js';
import { lastVersion, type RunState, type TaskState } from './state.js';
import { assignedTask, assignedTasks, isFull, isRoundOpen, taskOf, withCarried, withTasks } from './tasks.js';

/**
 * Asynchronous runs: every connected trainer that has nothing to do gets work from the newest version, at most `ask` of them at once. Who
 * has delivered to the open round works for the next one, so a silo counts at most once in a version, however fast it is. `again`: who
 * has failed in this round is asked once more. Nothing in synchronous runs, and while the run is paused.
 */
export function feed(state: RunState, at: number, { again = false } = {}): Step {
  const isOpen = state.phase === 'collecting' && isRoundOpen(state);
  // Of a round that has what it needs: the next version is about to come, and is the better one to begin from.
  if (!isAsync(state) || !isOpen || isFull(state) || state.pause !== null) return { state, effects: [] };
  const working = assignedTasks(state);
  const free = askable(state).filter((silo) => !working.some((task) => task.silo === silo));
  const limit = (state.policy.rounds.ask ?? Infinity) - working.filter(isConnected).length;
  const own = free.filter((silo) => mayJoin(taskOf(state, silo), again));
  const ahead = state.round < lastVersion(state) ? free.filter((silo) => mayGoAhead(state, silo)) : [];
  const now = sample(state, own, Math.max(0, limit));
  const next = sample(state, ahead, Math.max(0, limit - now.length));
  if (now.length + next.length === 0) return { state, effects: [] };
  const tasks = now.map((silo) => assignedTask(state, silo, at));
  const carried = next.map((silo) => aheadTask(state, silo, at));
  const noted = [...now, ...next].reduce(noteAsked, state);
  return {
    state: withCarried(withTasks(noted, tasks), carried),
    effects: [...tasks, ...carried].map((task): Effect => ({
      type: 'assign',
      silo: task.silo,
      taskId: task.id,
    })),
  };

  function isConnected({ silo }: TaskState): boolean {
    return state.trainers.includes(silo);
  }
}

/** Whether a silo may be asked for an update to the open round. */
function mayJoin(task: TaskState | undefined, again: boolean): boolean {
  return task === undefined || (again && task.state === 'failed');
}

/** It has delivered to the open round, and has not begun for the next one yet. */
function mayGoAhead(state: RunState, silo: string): boolean {
  return taskOf(state, silo)?.state === 'done' && !state.carried.some((task) => task.silo === silo);
}

function aheadTask(state: RunState, silo: string, assignedMs: number): TaskState {
  const round = state.round + 1;
  const id = `${state.runId}/${round}/${silo}/ahead`;
  return { silo, id, state: 'assigned', tries: 1, assignedMs, round, baseVersion: state.version };
}
