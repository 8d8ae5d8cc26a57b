import type { Refusal } from './effects.js';
import { baseOf, roundOf } from './staleness.js';
import type { RunState, TaskState } from './state.js';
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
 * it is complete, because the round may close in between. A round that rests between two attempts still takes updates; what is
 * carried into the next round is taken at any time.
 */
export function refuseUpdate(state: RunState, claim: UpdateClaim): Refusal | undefined {
  const { runId, round } = state;
  if (state.phase === 'done')
    return { code: 'run_closed', message: `run ${runId} is over (${state.outcome}); no update is needed` };
  const carried = state.carried.find((task) => task.id === claim.taskId && task.silo === claim.silo);
  if (carried?.state === 'done') return alreadyThere(state, claim);
  if (carried?.state === 'assigned') return refuseOther(state, carried, claim);
  if (claim.round > round)
    return {
      code: 'not_assigned',
      message: `run ${runId} is in round ${round}; round ${claim.round} has not begun`,
    };
  const collecting = state.phase === 'collecting' || state.phase === 'waiting';
  const task = taskOf(state, claim.silo);
  const isOurs = task?.id === claim.taskId && claim.round === roundOf(state, task);
  if ((claim.round < round && !isOurs) || !isRoundOpen(state) || !collecting)
    return {
      code: 'round_closed',
      message: `round ${claim.round} of run ${runId} is closed; the update comes too late, wait for the next task`,
    };
  if (task === undefined)
    return {
      code: 'not_assigned',
      message: `silo ${claim.silo} has no task in round ${round} of run ${runId}`,
    };
  if (task.state === 'done') return alreadyThere(state, claim);
  if (task.state !== 'assigned' || task.id !== claim.taskId)
    return {
      code: 'not_assigned',
      message: `task ${claim.taskId} of silo ${claim.silo} is not outstanding in round ${round} of run ${runId}`,
    };
  return refuseOther(state, task, claim);
}

function alreadyThere({ runId }: RunState, { silo, round }: UpdateClaim): Refusal {
  return {
    code: 'already_exists',
    message: `silo ${silo} has already delivered another update for round ${round} of run ${runId}; the first one counts`,
  };
}

/** An update of the task, but not of what the task asked for. */
function refuseOther(state: RunState, task: TaskState, claim: UpdateClaim): Refusal | undefined {
  const { runId } = state;
  const round = roundOf(state, task);
  const base = baseOf(state, task);
  if (claim.round !== round)
    return {
      code: 'not_assigned',
      message: `task ${claim.taskId} of silo ${claim.silo} is of round ${round} of run ${runId}, not of ${claim.round}`,
    };
  if (claim.baseVersion !== base)
    return {
      code: 'precondition_failed',
      message: `round ${round} of run ${runId} starts from version ${base}, not from ${claim.baseVersion}: fetch that adapter and train again`,
    };
  return undefined;
}
