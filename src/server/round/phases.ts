import { awaitedEvaluations } from './evaluation.js';
import type { Effect, Step } from './effects.js';
import { sample } from './sample.js';
import { askable, noteAsked, noteFailure, roundTimeMs, setAside } from './standing.js';
import { attemptDelayMs } from './retry.js';
import { earlyStop } from './scores.js';
import { carriedTask, isAsync } from './staleness.js';
import { lastVersion, type Outcome, type RunState, type TaskState } from './state.js';
import { feed } from './feed.js';
import {
  assignedTask,
  assignedTasks,
  attainableUpdates,
  awaitedTasks,
  doneTasks,
  idleTrainers,
  isFresh,
  isFull,
  isHeld,
  isRoundOpen,
  withCarried,
  withTasks,
} from './tasks.js';

/** The transitions between phases. Each returns the state after it and what has to be done. */

/** Out of waiting, evaluating or a published round: to evaluators, to the next attempt or round, or to the end. */
export function advance(state: RunState, at: number): Step {
  if (!isRoundOpen(state)) {
    const awaited = awaitedEvaluations(state);
    const isLast = state.version === lastVersion(state);
    const ready = isLast || attainableUpdates(state) >= minSilos(state);
    // Asynchronous runs go on while a version is scored.
    if (awaited.length > 0 && ready && (isLast || !isAsync(state))) {
      const dueMs = Math.max(...awaited.map((task) => task.deadlineMs));
      return { state: { ...state, phase: 'evaluating', dueMs, reason: '' }, effects: [] };
    }
    if (isLast) return end(state, 'finished', '');
    const { stop } = state.policy.evaluation;
    const why = awaited.length === 0 || isAsync(state) ? earlyStop(state.scores ?? [], stop) : undefined;
    if (why !== undefined) return end(state, 'finished', why);
    if (state.pause !== null) return rest(state, `paused: ${state.pause.reason}`);
  }
  if (isHeld(state)) return { state, effects: [] };
  if (attainableUpdates(state) < minSilos(state)) {
    const have = `${state.trainers.length} of ${minSilos(state)} trainers connected`;
    const inHand = isRoundOpen(state) ? `; ${doneTasks(state).length} updates in hand` : '';
    const aside = setAside(state).map(
      ({ silo, failures, reason: why }) => `${silo} is set aside after ${failures} failures (${why})`,
    );
    const reason = `${have}${inHand}${aside.length > 0 ? `; ${listed(aside)}` : ''}`;
    return rest(state, `waiting for silos: ${reason}`);
  }
  return startAttempt(state, at);
}

/** Until something happens. */
function rest(state: RunState, reason: string): Step {
  return { state: { ...state, phase: 'waiting', dueMs: 0, reason }, effects: [] };
}

function minSilos(state: RunState): number {
  return state.policy.rounds.minSilos;
}

/** A new round, or a further attempt of the open one: counted updates stay, every other connected trainer is asked. */
function startAttempt(state: RunState, at: number): Step {
  const open: RunState = isRoundOpen(state)
    ? { ...state, attempt: state.attempt + 1 }
    : { ...newRound(state), attempt: 1, startedMs: at };
  const begun: RunState = { ...open, phase: 'collecting', dueMs: at + roundTimeMs(open), reason: '' };
  const asked = isAsync(begun) ? feed(begun, at, { again: true }) : askSilos(begun, at);
  if (open.attempt > 1 || doneTasks(open).length === 0) return asked;
  // What was carried into the round may be all that it needs.
  const settled = settle(asked.state, at);
  return { ...settled, effects: [...asked.effects, ...settled.effects] };
}

/** What is carried is taken over; whoever failed meanwhile may be asked anew. */
function newRound(state: RunState): RunState {
  const tasks = state.carried.filter((task) => task.state === 'assigned' || task.state === 'done');
  return { ...state, round: state.version + 1, tasks, carried: [] };
}

function askSilos(open: RunState, at: number): Step {
  const done = new Set(doneTasks(open).map((task) => task.silo));
  const candidates = askable(open).filter((silo) => !done.has(silo));
  // Whoever is set aside may still deliver what it was asked for, but is not asked again.
  const outstanding = awaitedTasks(open)
    .map((task) => task.silo)
    .filter((silo) => candidates.includes(silo));
  const working = open.tasks.filter((task) => task.state === 'assigned').map(({ silo }) => silo);
  // What is carried from the round before comes on top.
  const own = open.tasks.filter((task) => isFresh(open, task));
  const inRound = own.filter(({ silo }) => done.has(silo) || outstanding.includes(silo)).length;
  const wanted = (open.policy.rounds.ask ?? Infinity) - inRound;
  const fresh = candidates.filter((silo) => !working.includes(silo));
  const asked = [...outstanding, ...sample(open, fresh, Math.max(0, wanted))].sort();
  return assignTo(open, asked, at);
}

/** Gives the round's work to these silos (again). */
export function assignTo(state: RunState, silos: readonly string[], at: number): Step {
  const tasks = silos.map((silo) => assignedTask(state, silo, at));
  const asked = silos.reduce(noteAsked, state);
  return {
    state: withTasks(asked, tasks),
    effects: tasks.map((task): Effect => ({ type: 'assign', silo: task.silo, taskId: task.id })),
  };
}

/**
 * Looks at an open round after anything has happened: closes it when it is full or its time is over, finds
 * replacements while the quorum is in danger, gives the attempt up when nobody can complete it.
 */
export function settle(state: RunState, at: number): Step {
  // A round that is being aggregated is closed: once more would make its version twice at the same time.
  const isClosed = !isRoundOpen(state) || state.phase === 'aggregating';
  if (isClosed || isHeld(state)) return { state, effects: [] };
  const done = doneTasks(state).length;
  const enough = done >= minSilos(state);
  if (isFull(state)) return closeRound(state, at, 'full');
  if (state.phase === 'waiting') return enough ? closeRound(state, at, 'due') : { state, effects: [] };
  if (state.phase !== 'collecting') return { state, effects: [] };
  const awaited = awaitedTasks(state).length;
  const isWaitedFor = awaitedTasks(state).some((task) => isAsync(state) || isFresh(state, task));
  if (at >= state.dueMs) return enough ? closeRound(state, at, 'due') : missQuorum(state, at, 0);
  if (enough && !isWaitedFor) return closeRound(state, at, 'due');
  if (done + awaited >= minSilos(state)) return { state, effects: [] };
  const missing = Math.max(minSilos(state), state.policy.rounds.updates ?? 0) - done - awaited;
  const limit = state.policy.rounds.ask === undefined ? Infinity : missing;
  const replaced = assignTo(state, sample(state, idleTrainers(state), limit), at);
  const possible = replaced.state.tasks.filter((task) => task.state === 'done' || task.state === 'assigned');
  if (possible.length >= minSilos(state) || awaitedTasks(replaced.state).length > 0) return replaced;
  const missed = missQuorum(replaced.state, at, attemptDelayMs(state.attempt));
  return { ...missed, effects: [...replaced.effects, ...missed.effects] };
}

/** No more updates: whoever has not answered is late or carried into the next round, and the updates in hand are aggregated. */
function closeRound(state: RunState, at: number, why: 'full' | 'due'): Step {
  const effects: Effect[] = [];
  const carried: TaskState[] = [];
  let noted = state;
  const tasks = state.tasks.map((task): TaskState => {
    if (task.state !== 'assigned') return task;
    const { silo, id: taskId } = task;
    const next = carriedTask(state, task);
    if (next !== undefined) {
      carried.push(next);
      return { ...task, state: 'late', message: `its update will count in round ${state.round + 1}` };
    }
    const message =
      why === 'full'
        ? `not waited for: round ${state.round} has the updates that it needs`
        : state.trainers.includes(silo)
          ? `no update for round ${state.round} by its deadline`
          : `left before its update for round ${state.round} was in`;
    const code = why === 'full' ? 'round_closed' : 'deadline_exceeded';
    if (why === 'due') noted = noteFailure(noted, silo, message, at);
    effects.push({ type: 'failure', silo, taskId, code, message });
    effects.push({ type: 'cancel', silo, taskId, reason: `round ${state.round} is closed` });
    return { ...task, state: 'late', message };
  });
  effects.push({ type: 'aggregate', round: state.round });
  const closed: RunState = { ...noted, phase: 'aggregating', dueMs: 0, reason: '', tasks };
  return { state: withCarried(closed, carried), effects };
}

/** Too few updates: rest and try again, or give the run up. */
function missQuorum(state: RunState, at: number, delayMs: number): Step {
  const { maxAttempts } = state.policy.rounds;
  const why = missReason(state);
  const effects = awaitedTasks(state).map((task): Effect => ({
    type: 'failure',
    silo: task.silo,
    taskId: task.id,
    code: 'deadline_exceeded',
    message: `no update for round ${state.round} by the deadline of attempt ${state.attempt}`,
  }));
  if (state.attempt >= maxAttempts) {
    const ended = end(state, 'failed', `${why}, after ${maxAttempts} attempt(s)`);
    return { ...ended, effects: [...effects, ...ended.effects] };
  }
  const reason = `${why}; attempt ${state.attempt + 1} of ${maxAttempts} follows`;
  const noted = awaitedTasks(state).reduce(
    (now, { silo }) => noteFailure(now, silo, `no update for round ${state.round} by its deadline`, at),
    state,
  );
  const rested: RunState = { ...noted, phase: 'waiting', dueMs: at + delayMs, reason };
  if (delayMs > 0) return { state: rested, effects };
  const next = advance(rested, at);
  return { ...next, effects: [...effects, ...next.effects] };
}

function missReason(state: RunState): string {
  const done = doneTasks(state).length;
  const silent = state.tasks.filter((task) => task.state === 'assigned').map((task) => task.silo);
  const failed = state.tasks
    .filter((task) => task.state === 'failed')
    .map((task) => `${task.silo}: ${task.message ?? 'failed'}`);
  const parts = [`round ${state.round} has ${done} of the ${minSilos(state)} updates it needs`];
  if (silent.length > 0) parts.push(`no answer from ${listed(silent)}`);
  if (failed.length > 0) parts.push(`failed: ${listed(failed)}`);
  return parts.join('; ');
}

/** At most three, so that a reason stays one line however many silos there are. */
function listed(entries: readonly string[]): string {
  const rest = entries.length - 3;
  return entries.slice(0, 3).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}

/** The run is over; everything outstanding is called off. */
export function end(state: RunState, outcome: Outcome, reason: string): Step {
  const why = outcome === 'finished' ? 'the run has finished' : `the run was ${outcome}: ${reason}`;
  const outstanding = [...assignedTasks(state), ...state.evaluations];
  const over = { phase: 'done', outcome, reason, dueMs: 0 } as const;
  return {
    state: { ...state, ...over, carried: [], evaluations: [], rollback: null },
    effects: outstanding.map((task): Effect => ({
      type: 'cancel',
      silo: task.silo,
      taskId: task.id,
      reason: why,
    })),
  };
}
