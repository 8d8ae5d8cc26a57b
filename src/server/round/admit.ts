import type { Refusal } from './effects.js';
import type { RunState } from './state.js';
import { isRoundOpen, taskOf } from './tasks.js';

/** What a silo says about the update that it wants to send. */
export interface UpdateClaim {
  readonly silo: string;
  readonly round: number;
  readonly taskId: string;
  readonly baseVersion: number;
}

/**
 * Whether an update may be counted now: undefined, or why not. Asked when an upload begins, while it lasts, and when
 * it is complete, because the round may close in between. A round that rests between two attempts still takes updates.
 */
export function refuseUpdate(state: RunState, claim: UpdateClaim): Refusal | undefined {
  const { runId, round } = state;
  if (state.phase === 'done')
    return { code: 'run_closed', message: `run ${runId} is over (${state.outcome}); no update is needed` };
  if (claim.round > round)
    return {
      code: 'not_assigned',
      message: `run ${runId} is in round ${round}; round ${claim.round} has not begun`,
    };
  const collecting = state.phase === 'collecting' || state.phase === 'waiting';
  if (claim.round < round || !isRoundOpen(state) || !collecting)
    return {
      code: 'round_closed',
      message: `round ${claim.round} of run ${runId} is closed; the update comes too late, wait for the next task`,
    };
  const task = taskOf(state, claim.silo);
  if (task === undefined)
    return {
      code: 'not_assigned',
      message: `silo ${claim.silo} has no task in round ${round} of run ${runId}`,
    };
  if (task.state === 'done')
    return {
      code: 'already_exists',
      message: `silo ${claim.silo} has already delivered another update for round ${round} of run ${runId}; the first one counts`,
    };
  if (task.state !== 'assigned' || task.id !== claim.taskId)
    return {
      code: 'not_assigned',
      message: `task ${claim.taskId} of silo ${claim.silo} is not outstanding in round ${round} of run ${runId}`,
    };
  if (claim.baseVersion !== state.version)
    return {
      code: 'precondition_failed',
      message: `round ${round} of run ${runId} starts from version ${state.version}, not from ${claim.baseVersion}: fetch that adapter and train again`,
    };
  return undefined;
}
