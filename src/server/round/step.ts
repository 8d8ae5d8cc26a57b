import { refuseUpdate } from './admit.js';
import type { Effect, Refusal, Step } from './effects.js';
import { askEvaluators, expireEvaluations } from './evaluation.js';
import type { RunEvent, RunEventOf } from './events.js';
import { feed } from './feed.js';
import { advance, assignTo, end, settle } from './phases.js';
import { pause, resume } from './pause.js';
import { AGGREGATION_RETRY_MS, PASSING_CODES } from './retry.js';
import { restarted } from './restarted.js';
import { refuseRollback, rollback, rolledBack, rollbackFailed } from './rollback.js';
import { withScore } from './scores.js';
import { forgive, noteAnswer, noteFailure, releaseDue, withStanding } from './standing.js';
import type { RunState, TaskState } from './state.js';
import { insertSorted, taskOf, withCarried, withTasks } from './tasks.js';

/**
 * The round: what a run does when something happens. Pure, deterministic, total: any event in any state gives a
 * state; what does not apply changes nothing, and an update that may not be counted comes back with a refusal.
 */
export function step(state: RunState, event: RunEvent): Step {
  if (state.phase === 'done' && event.type !== 'rollback') return refused(state, event);
  const timed = tick(state, event.at);
  if (event.type === 'tick') return timed;
  if (timed.state.phase === 'done' && event.type !== 'rollback') {
    const over = refused(timed.state, event);
    return { ...over, effects: timed.effects };
  }
  const handled = handle(timed.state, event);
  return { ...handled, effects: [...timed.effects, ...handled.effects] };
}

type Handled = Exclude<RunEvent, { type: 'tick' }>;
type Handler<T extends Handled['type']> = (state: RunState, event: RunEventOf<T>) => Step;

const HANDLERS: { readonly [T in Handled['type']]: Handler<T> } = {
  begin: (state, event) => then(askEvaluators(state, event.at), (now) => proceed(now, event.at)),
  join,
  leave,
  update,
  'task-failed': taskFailed,
  aggregated,
  'aggregation-failed': aggregationFailed,
  evaluated,
  restarted: (state, event) => unchanged(restarted(state, event.at)),
  stop: (state, event) => (isOver(state) ? unchanged(state) : end(state, 'stopped', event.reason)),
  pause: (state, event) => (isOver(state) ? unchanged(state) : pause(state, event)),
  resume: (state, event) => then(resume(state, event.at), (now) => proceed(now, event.at)),
  rollback: (state, event) => {
    const refusal = refuseRollback(state, event.version);
    return refusal === undefined ? rollback(state, event) : { ...unchanged(state), refusal };
  },
};

/** Has come to its end, although an old version may be being published again. */
function isOver(state: RunState): boolean {
  return state.outcome !== null;
}

function handle(state: RunState, event: Handled): Step {
  const handler = HANDLERS[event.type] as Handler<Handled['type']>;
  return handler(state, event);
}

/** An ended run takes nothing, and says so to whoever wants to deliver. */
function refused(state: RunState, event: RunEvent): Step {
  const { runId, outcome } = state;
  const refusal: Refusal | undefined =
    event.type === 'update'
      ? refuseUpdate(state, event)
      : event.type === 'pause' || event.type === 'resume'
        ? {
            code: 'run_closed',
            message: `run ${runId} is over (${outcome}): there is nothing to ${event.type}`,
          }
        : undefined;
  return refusal === undefined ? unchanged(state) : { ...unchanged(state), refusal };
}

function unchanged(state: RunState): Step {
  return { state, effects: [] };
}

function then(first: Step, next: (state: RunState) => Step): Step {
  const second = next(first.state);
  return { ...second, effects: [...first.effects, ...second.effects] };
}

/** What the passing of time alone brings about. */
function tick(before: RunState, at: number): Step {
  const state = releaseDue(before, at);
  const due = state.dueMs > 0 && at >= state.dueMs;
  return then(expireEvaluations(state, at), (now) => {
    if (now.phase === 'evaluating') return advance(now, at);
    if (!due)
      return state === before || now.phase !== 'waiting' || now.dueMs > 0 ? unchanged(now) : advance(now, at);
    if (now.phase === 'collecting') return settle(now, at);
    if (now.phase === 'waiting') return advance(now, at);
    const again: Effect = { type: 'aggregate', round: now.round };
    return { state: { ...now, dueMs: 0, reason: '' }, effects: [again] };
  });
}

/** While it waits without a set time, a run looks again whenever something has happened. */
function proceed(state: RunState, at: number): Step {
  const fed = feed(state, at);
  return then(
    then(fed, (now) => settle(now, at)),
    (now) => {
      if (now.phase === 'evaluating') return advance(now, at);
      return now.phase === 'waiting' && now.dueMs === 0 ? advance(now, at) : unchanged(now);
    },
  );
}

function join(state: RunState, event: RunEventOf<'join'>): Step {
  const { silo, at } = event;
  const without = { trainers: removed(state.trainers, silo), evaluators: removed(state.evaluators, silo) };
  if (event.role === 'evaluator') {
    const joined = { ...state, ...without, evaluators: insertSorted(state.evaluators, silo) };
    return then(askEvaluators(joined, at), (now) => proceed(now, at));
  }
  const isBack = !state.trainers.includes(silo);
  const known = isBack ? forgive(state, silo) : state;
  const sized =
    event.examples === undefined ? known : withStanding(known, silo, { examples: event.examples });
  const joined = { ...sized, ...without, trainers: insertSorted(state.trainers, silo) };
  const task = taskOf(joined, silo);
  const again =
    isBack &&
    joined.phase === 'collecting' &&
    (task?.state === 'assigned' ||
      (task?.state === 'failed' && task.tries < joined.policy.rounds.maxAttempts));
  return then(again ? assignTo(joined, [silo], at) : unchanged(joined), (now) =>
    then(askEvaluators(now, at), (asked) => proceed(asked, at)),
  );
}

function leave(state: RunState, event: RunEventOf<'leave'>): Step {
  const { silo, at } = event;
  const left = {
    ...state,
    trainers: removed(state.trainers, silo),
    evaluators: removed(state.evaluators, silo),
  };
  return proceed(left, at);
}

function removed(names: readonly string[], name: string): readonly string[] {
  return names.includes(name) ? names.filter((entry) => entry !== name) : names;
}

function update(state: RunState, event: RunEventOf<'update'>): Step {
  const refusal = refuseUpdate(state, event);
  if (refusal !== undefined) return { ...unchanged(state), refusal };
  const delivered = (task: TaskState): TaskState => {
    // Where it is carried, the round that closed without it keeps it as late.
    if (task.id !== event.taskId || task.state !== 'assigned') return task;
    const { assignedMs: _over, ...rest } = task;
    return { ...rest, state: 'done', update: event.update };
  };
  const assignedMs = [...state.tasks, ...state.carried].find(({ id }) => id === event.taskId)?.assignedMs;
  const tookMs = assignedMs === undefined ? undefined : event.at - assignedMs;
  const tasks = state.tasks.map(delivered);
  const carried = state.carried.map(delivered);
  return proceed(noteAnswer({ ...state, tasks, carried }, event.silo, tookMs), event.at);
}

function taskFailed(state: RunState, event: RunEventOf<'task-failed'>): Step {
  const { silo, taskId, code, message, at } = event;
  const failure: Effect = { type: 'failure', silo, taskId, code, message };
  if (state.evaluations.some((task) => task.id === taskId && task.silo === silo))
    return then({ state, effects: [failure] }, (now) => dropEvaluation(now, taskId, at));
  const isMeant = (task: TaskState): boolean =>
    task.silo === silo && task.id === taskId && task.state === 'assigned';
  const carried = state.carried.find(isMeant);
  const task = carried ?? state.tasks.find(isMeant);
  if (task === undefined) return unchanged(state);
  const keep = carried === undefined ? withTasks : withCarried;
  const failed = keep(state, [{ ...task, state: 'failed', message: `${code}: ${message}` }]);
  const noted = noteFailure(failed, silo, `${code}: ${message}`, at);
  return then({ state: noted, effects: [failure] }, (now) => proceed(now, at));
}

function evaluated(state: RunState, { silo, taskId, score, at }: RunEventOf<'evaluated'>): Step {
  const task = state.evaluations.find((entry) => entry.id === taskId && entry.silo === silo);
  if (task === undefined || score === undefined) return dropEvaluation(state, taskId, at);
  const scores = withScore(state.scores ?? [], task.version, score);
  return dropEvaluation({ ...state, scores }, taskId, at);
}

function dropEvaluation(state: RunState, taskId: string, at: number): Step {
  const evaluations = state.evaluations.filter((task) => task.id !== taskId);
  return proceed({ ...state, evaluations }, at);
}

function aggregated(state: RunState, event: RunEventOf<'aggregated'>): Step {
  if (state.phase !== 'aggregating' || event.round !== state.round) return unchanged(state);
  if (state.rollback !== null)
    return then(rolledBack(state), (now) =>
      isOver(now) ? unchanged(now) : then(askEvaluators(now, event.at), (asked) => advance(asked, event.at)),
    );
  const published: RunState = { ...state, version: state.round, dueMs: 0, reason: '' };
  return then(askEvaluators(published, event.at), (now) => advance(now, event.at));
}

function aggregationFailed(state: RunState, event: RunEventOf<'aggregation-failed'>): Step {
  if (state.phase !== 'aggregating' || event.round !== state.round) return unchanged(state);
  const why = `round ${state.round} could not be aggregated (${event.code}): ${event.message}`;
  if (!PASSING_CODES.has(event.code)) {
    if (state.rollback === null) return end(state, 'failed', why);
    return then(rollbackFailed(state, event.message), (now) =>
      isOver(now) ? unchanged(now) : advance(now, event.at),
    );
  }
  const dueMs = event.at + AGGREGATION_RETRY_MS;
  return { state: { ...state, dueMs, reason: `${why}; trying again` }, effects: [] };
}
