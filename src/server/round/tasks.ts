import { askable } from './standing.js';
import { isAsync, stalenessOf } from './staleness.js';
import type { RunState, TaskState } from './state.js';

/** Pure questions about the silos of a run. */

export function insertSorted(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names : [...names, name].sort();
}

export function taskOf(state: RunState, silo: string): TaskState | undefined {
  return state.tasks.find((task) => task.silo === silo);
}

/** A round is open from its start until its version is published. */
export function isRoundOpen(state: RunState): boolean {
  return state.round === state.version + 1;
}

/** The open round stands still until the run is resumed. */
export function isHeld(state: RunState): boolean {
  return state.pause?.hold === true && isRoundOpen(state) && state.phase !== 'aggregating';
}

/** Paused, and nothing is under way any more. */
export function isResting(state: RunState): boolean {
  return state.pause !== null && (isHeld(state) || (state.phase === 'waiting' && !isRoundOpen(state)));
}

/** Tasks with a counted update. */
export function doneTasks(state: RunState): readonly TaskState[] {
  return state.tasks.filter((task) => task.state === 'done');
}

/** Assigned tasks whose silo is connected: an answer may come at any moment. */
export function awaitedTasks(state: RunState): readonly TaskState[] {
  return state.tasks.filter((task) => task.state === 'assigned' && state.trainers.includes(task.silo));
}

/** Connected trainers that this round has not asked yet, and may. */
export function idleTrainers(state: RunState): readonly string[] {
  return askable(state).filter((silo) => taskOf(state, silo) === undefined);
}

/** How many updates a (further) attempt could end with: those in hand and those of connected trainers. */
export function attainableUpdates(state: RunState): number {
  const inHand = isRoundOpen(state) ? state.tasks : state.carried;
  const done = inHand.filter((task) => task.state === 'done').map(({ silo }) => silo);
  return new Set([...done, ...askable(state)]).size;
}

/** Everything that silos are at work on: tasks of the current round, and those whose updates will count in the next. */
export function assignedTasks(state: RunState): readonly TaskState[] {
  return [...state.tasks, ...state.carried].filter((task) => task.state === 'assigned');
}

/** One task a silo, the newest: what it does now, or did last. In order of name. */
export function newestTasks({ tasks, carried }: RunState): readonly TaskState[] {
  if (carried.length === 0) return tasks;
  const newer = new Set(carried.map(({ silo }) => silo));
  return [...tasks.filter(({ silo }) => !newer.has(silo)), ...carried].sort(byName);
}

/** Tasks that began from the newest version: in a round of synchronous runs, all but those that it took over from the one before. */
export function isFresh(state: RunState, task: TaskState): boolean {
  return stalenessOf(state, task) === 0;
}

/**
 * Has as many updates as it may: in a synchronous run its own ones, what is carried comes on top; in an asynchronous one any
 * (FedBuff's K).
 */
export function isFull(state: RunState): boolean {
  const { updates, minSilos: quorum } = state.policy.rounds;
  const done = doneTasks(state);
  if (isAsync(state)) return done.length >= (updates ?? quorum);
  return updates !== undefined && done.filter((task) => isFresh(state, task)).length >= updates;
}

/** The silo's task given (again): an assigned one keeps its id, a failed or missing one gets a new one. */
export function assignedTask(state: RunState, silo: string, assignedMs: number): TaskState {
  const before = taskOf(state, silo);
  if (before?.state === 'assigned') return before;
  const tries = (before?.tries ?? 0) + 1;
  return { silo, id: `${state.runId}/${state.round}/${silo}/${tries}`, state: 'assigned', tries, assignedMs };
}

/** The state with these tasks added or replaced, still in order of name. */
export function withTasks(state: RunState, tasks: readonly TaskState[]): RunState {
  const replaced = new Set(tasks.map((task) => task.silo));
  const merged = [...state.tasks.filter((task) => !replaced.has(task.silo)), ...tasks];
  return { ...state, tasks: merged.sort(byName) };
}

/** The same for tasks whose updates will count in the next round. */
export function withCarried(state: RunState, tasks: readonly TaskState[]): RunState {
  const replaced = new Set(tasks.map((task) => task.silo));
  const merged = [...state.carried.filter((task) => !replaced.has(task.silo)), ...tasks];
  return { ...state, carried: merged.sort(byName) };
}

const byName = (x: TaskState, y: TaskState): number => (x.silo < y.silo ? -1 : 1);
