import type { Effect, Step } from './effects.js';
import { lastVersion, type EvaluationTask, type RunState } from './state.js';

/** Evaluators score the initial version, the last one, and every `every`-th between; none with 0. */
function isEvaluationDue(state: RunState, version: number): boolean {
  const { every } = state.policy.evaluation;
  return every > 0 && (version === 0 || version === lastVersion(state) || version % every === 0);
}

/** Who is connected and scores versions: evaluators, and trainers where the run says so. */
function scorers({ evaluators, trainers, policy }: RunState): readonly string[] {
  return policy.evaluation.trainers === true ? [...new Set([...evaluators, ...trainers])].sort() : evaluators;
}

/** Evaluations of the newest version whose evaluator is connected. */
export function awaitedEvaluations(state: RunState): readonly EvaluationTask[] {
  return state.evaluations.filter(
    (task) => task.version === state.version && scorers(state).includes(task.silo),
  );
}

/** Asks every connected evaluator that has not been asked yet to score the newest version, where it is due. */
export function askEvaluators(state: RunState, at: number): Step {
  if (!isEvaluationDue(state, state.version)) return { state, effects: [] };
  const asked = new Map(state.asked);
  const fresh = scorers(state)
    .filter((silo) => (asked.get(silo) ?? -1) < state.version)
    .map((silo) => ({
      silo,
      id: `${state.runId}/evaluate/${state.version}/${silo}`,
      version: state.version,
      deadlineMs: at + state.policy.evaluation.timeoutMs,
    }));
  if (fresh.length === 0) return { state, effects: [] };
  for (const task of fresh) asked.set(task.silo, task.version);
  return {
    state: { ...state, evaluations: [...state.evaluations, ...fresh], asked: [...asked] },
    effects: fresh.map((task): Effect => ({ type: 'assign', silo: task.silo, taskId: task.id })),
  };
}

/** Gives up evaluations whose time is over. */
export function expireEvaluations(state: RunState, at: number): Step {
  const expired = state.evaluations.filter((task) => at >= task.deadlineMs);
  if (expired.length === 0) return { state, effects: [] };
  return {
    state: { ...state, evaluations: state.evaluations.filter((task) => at < task.deadlineMs) },
    effects: expired.flatMap((task): Effect[] => [
      {
        type: 'failure',
        silo: task.silo,
        taskId: task.id,
        code: 'deadline_exceeded',
        message: `version ${task.version} was not scored within ${state.policy.evaluation.timeoutMs} ms`,
      },
      {
        type: 'cancel',
        silo: task.silo,
        taskId: task.id,
        reason: `the time to score version ${task.version} is over`,
      },
    ]),
  };
}
