import { AGGREGATION_RETRY_MS, attemptDelayMs } from './retry.js';
import type { RunState, Standing } from './state.js';

/**
 * After a start of the coordinator: nothing is due later than it could be if it had been set now. The machine's clock may have been
 * set back in between, and a deadline of the time before would be far off.
 */
export function restarted(state: RunState, at: number): RunState {
  const limit = at + longestWaitMs(state);
  const evaluationLimit = at + state.policy.evaluation.timeoutMs;
  const asideLimit = at + state.policy.rounds.setAside.forMs;
  const isLate = (task: RunState['evaluations'][number]): boolean => task.deadlineMs > evaluationLimit;
  const isFar = ({ asideUntilMs }: Standing): boolean => asideUntilMs > asideLimit;
  if (state.dueMs <= limit && !state.evaluations.some(isLate) && !state.standings.some(isFar)) return state;
  return {
    ...state,
    dueMs: Math.min(state.dueMs, limit),
    standings: state.standings.map((standing) =>
      isFar(standing) ? { ...standing, asideUntilMs: asideLimit } : standing,
    ),
    evaluations: state.evaluations.map((task) =>
      isLate(task) ? { ...task, deadlineMs: evaluationLimit } : task,
    ),
  };
}

function longestWaitMs({ phase, attempt, policy }: RunState): number {
  switch (phase) {
    case 'collecting':
      return policy.rounds.deadlineMs;
    case 'waiting':
      return attemptDelayMs(attempt);
    case 'evaluating':
      return policy.evaluation.timeoutMs;
    case 'aggregating':
      return AGGREGATION_RETRY_MS;
    case 'done':
      return 0;
  }
}
