import type { Effect, Refusal, Step } from './effects.js';
import type { RunEventOf } from './events.js';
import type { RunState } from './state.js';
import { assignedTasks, isRoundOpen } from './tasks.js';

/**
 * An old version's factors published again, under the number of the next round: versions stay immutable and go up only.
 * It takes the way of a round (aggregating, sealed, published), so a restart in the middle goes on with it.
 */
export function rollback(state: RunState, { version, reason, at }: RunEventOf<'rollback'>): Step {
  const round = state.version + 1;
  const why = `the run goes back to version ${version}`;
  const cancelled = [...assignedTasks(state), ...state.evaluations];
  const inHand = isRoundOpen(state) || state.carried.some((task) => task.state === 'done');
  const effects: Effect[] = inHand ? [{ type: 'call-off', round }] : [];
  for (const { silo, id: taskId } of cancelled) effects.push({ type: 'cancel', silo, taskId, reason: why });
  effects.push({ type: 'aggregate', round });
  return {
    state: {
      ...state,
      phase: 'aggregating',
      round,
      attempt: 1,
      startedMs: at,
      dueMs: 0,
      reason: state.outcome === null ? why : state.reason,
      tasks: [],
      carried: [],
      evaluations: [],
      rollback: { version, reason },
      pause: state.pause && { ...state.pause, leftMs: 0 },
    },
    effects,
  };
}

/** Why an operator cannot have it now. */
export function refuseRollback(state: RunState, version: number): Refusal | undefined {
  const { runId, phase, round } = state;
  if (phase === 'aggregating')
    return {
      code: 'unavailable',
      message: `version ${round} of run ${runId} is being published: try again in a moment`,
    };
  if (!Number.isInteger(version) || version < 0 || version > state.version)
    return {
      code: 'not_found',
      message: `run ${runId} has no version ${version} of its adapter; the newest is ${state.version}`,
    };
  if (version === state.version)
    return {
      code: 'precondition_failed',
      message: `version ${version} of run ${runId} is the newest already; name an older one`,
    };
  return undefined;
}

/** The old version is the newest now. A run that was over is over again. */
export function rolledBack(state: RunState): Step {
  const { round: version, rollbacks, outcome } = state;
  const published: RunState = { ...state, version, dueMs: 0, rollback: null, rollbacks: rollbacks + 1 };
  if (outcome !== null) return { state: { ...published, phase: 'done' }, effects: [] };
  return { state: { ...published, reason: '' }, effects: [] };
}

/** The old version's file is damaged: the run goes on from the newest one, with the round that was called off begun anew. */
export function rollbackFailed(state: RunState, message: string): Step {
  const kept: RunState = { ...state, round: state.version, dueMs: 0, rollback: null };
  if (state.outcome !== null) return { state: { ...kept, phase: 'done' }, effects: [] };
  const reason = `version ${state.rollback?.version} could not be published again: ${message}`;
  return { state: { ...kept, phase: 'waiting', reason }, effects: [] };
}
