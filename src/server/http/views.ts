import type {
  RunState as RunStateName,
  RunSummary,
  SiloTask,
  SiloView,
  TaskCounts,
} from '../../api/types.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import type { Progress } from '../coordinator/progress-board.js';
import type { RunActor } from '../coordinator/run-actor.js';
import { lastVersion, type RunState, type TaskState } from '../round/state.js';
import { isResting, newestTasks } from '../round/tasks.js';
import type { SiloSummary } from '../store/store.js';

/** What the dashboard sees of runs and silos. */

export function summaryOf(run: RunActor): RunSummary {
  const { state, spec, runId, createdMs } = run;
  return {
    id: runId,
    name: spec.name,
    state: stateName(state),
    paused: state.pause !== null,
    phase: state.phase,
    reason: state.reason,
    round: state.round,
    rounds: lastVersion(state),
    attempt: state.attempt,
    version: state.version,
    createdMs,
    startedMs: state.startedMs,
    dueMs: state.dueMs,
    minSilos: spec.rounds.minSilos,
    tasks: countTasks(state),
    method: spec.aggregation.method,
    task: spec.task.kind,
    bundle: spec.bundle,
  };
}

function stateName(state: RunState): RunStateName {
  if (state.outcome !== null) return state.outcome;
  if (isResting(state)) return 'paused';
  return state.phase === 'waiting' ? 'waiting' : 'running';
}

function countTasks(state: RunState): TaskCounts {
  const counts = { done: 0, working: 0, failed: 0, late: 0 };
  for (const task of newestTasks(state)) counts[task.state === 'assigned' ? 'working' : task.state]++;
  return counts;
}

/** In order of the silos' names. */
export function tasksOf(coordinator: Coordinator, run: RunActor): readonly SiloTask[] {
  return newestTasks(run.state).map((task) => taskView(task, coordinator.progress.get(run.runId, task.silo)));
}

function taskView({ silo, id, state, message = '' }: TaskState, live: Progress | undefined): SiloTask {
  const progress = live?.taskId === id ? live : undefined;
  const working = progress?.phase === 'uploading' ? 'uploading' : 'training';
  return {
    silo,
    state: state === 'assigned' && progress ? working : state,
    step: progress?.step ?? 0,
    totalSteps: progress?.totalSteps ?? 0,
    loss: progress && Number.isFinite(progress.loss) ? progress.loss : null,
    message,
  };
}

export function siloView(
  stored: SiloSummary,
  live: { readonly connected: boolean; readonly lastSeenMs: number },
  revoked: boolean,
): SiloView {
  const { silo, role, firstSeenMs, examples, labels, softwareVersion, updatesAccepted, failures } = stored;
  return {
    silo,
    role,
    firstSeenMs,
    examples,
    labels,
    softwareVersion,
    updatesAccepted,
    failures,
    revoked,
    ...live,
  };
}

/** A number that JSON can carry. */
export const finite = (value: number | null | undefined): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
