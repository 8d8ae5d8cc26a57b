import type { StalenessSpec } from '../../staleness-spec.js';
import { lastVersion, type RoundPolicy, type RunState, type TaskState } from './state.js';

/**
 * Updates that began from a version that is not the newest: late ones that are carried into the next round, and those of the asynchronous
 * buffered mode (FedBuff, Nguyen et al. 2022, arXiv 2106.06639). Staleness τ counts versions: a round n publishes version n, from
 * version n − 1; an update that began from version b and counts in it is τ = n − 1 − b old.
 */

/** By default: the next round takes it, or in asynchronous mode the next 20. */
const DEFAULT_MAX = { sync: 1, async: 20 } as const;

export const isAsync = ({ policy }: Pick<RunState, 'policy'>): boolean => policy.rounds.mode === 'async';

/** Whether an update may count in a later round than it was asked for. */
export function carries({ rounds }: Pick<RoundPolicy, 'rounds'>): boolean {
  return rounds.mode === 'async' || rounds.late === 'carry';
}

function maxStaleness({ rounds }: Pick<RoundPolicy, 'rounds'>): number {
  return rounds.staleness.max ?? DEFAULT_MAX[rounds.mode];
}

/** s(τ), 0 to 1: 1 for an update that began from the newest version. */
export function stalenessScale({ weight }: StalenessSpec, staleness: number): number {
  if (staleness <= 0) return 1;
  switch (weight.kind) {
    case 'constant':
      return 1;
    case 'polynomial':
      return (1 + staleness) ** -weight.exponent;
    case 'hinge':
      return staleness <= weight.free ? 1 : 1 / (weight.slope * (staleness - weight.free) + 1);
  }
}

/** The round that a task of the current round was given out for. */
export function roundOf(state: RunState, task: TaskState): number {
  return task.round ?? state.round;
}

/** The version that a task of the current round begins from. */
export function baseOf(state: RunState, task: TaskState): number {
  return task.baseVersion ?? state.round - 1;
}

/** τ of a task of the current round. */
export function stalenessOf(state: RunState, task: TaskState): number {
  return state.round - 1 - baseOf(state, task);
}

/** A task of the round that is closing, as one of the next round; undefined where no round follows, or it would be too old. */
export function carriedTask(state: RunState, task: TaskState): TaskState | undefined {
  if (!carries(state.policy) || state.round >= lastVersion(state)) return undefined;
  if (stalenessOf(state, task) + 1 > maxStaleness(state.policy)) return undefined;
  return { ...task, round: roundOf(state, task), baseVersion: baseOf(state, task) };
}

/** The round in which a task's update counts: the current one, or the next. */
export function countingRound(state: RunState, taskId: string): number {
  return state.carried.some(({ id }) => id === taskId) ? state.round + 1 : state.round;
}
