import { groupBy } from '../../group-by.js';
import type { EvaluationInput } from '../../rpc/gen/fedrot/v1/Evaluation.js';
import type { RoundRecordInput } from '../../rpc/gen/fedrot/v1/RoundRecord.js';
import type { RunInput } from '../../rpc/gen/fedrot/v1/Run.js';
import type { RunStateInput } from '../../rpc/gen/fedrot/v1/RunState.js';
import type { SiloTaskInput } from '../../rpc/gen/fedrot/v1/SiloTask.js';
import type { Coordinator } from '../coordinator/coordinator.js';
import { adapterRef } from '../coordinator/assignments.js';
import type { Progress } from '../coordinator/progress-board.js';
import type { RunActor } from '../coordinator/run-actor.js';
import { lastVersion, type RunState, type TaskState } from '../round/state.js';
import { isResting, newestTasks } from '../round/tasks.js';
import type { FailureRecord, PublishedRound, UpdateRecord } from '../store/store.js';

/** A run as operators see it. */

const OUTCOMES: Readonly<Record<NonNullable<RunState['outcome']>, RunStateInput>> = {
  finished: 'RUN_STATE_FINISHED',
  stopped: 'RUN_STATE_STOPPED',
  failed: 'RUN_STATE_FAILED',
};

/** Without what grows with rounds and silos: for lists. */
export function runSummary(run: RunActor): RunInput {
  const { state, spec } = run;
  return {
    runId: run.runId,
    name: spec.name,
    state: stateOf(state),
    reason: state.reason,
    round: state.round,
    totalRounds: lastVersion(state),
    phase: state.phase,
    createdMs: run.createdMs,
    deadlineMs: state.phase === 'collecting' ? state.dueMs : 0,
    specJson: JSON.stringify(spec),
    paused: state.pause !== null,
    lastEvent: run.logSeq,
    version: state.version,
  };
}

function stateOf(state: RunState): RunStateInput {
  if (state.outcome !== null) return OUTCOMES[state.outcome];
  if (isResting(state)) return 'RUN_STATE_PAUSED';
  return state.phase === 'waiting' ? 'RUN_STATE_WAITING' : 'RUN_STATE_RUNNING';
}

/** With everything that is kept of its rounds. */
export async function runView(coordinator: Coordinator, run: RunActor): Promise<RunInput> {
  const history = await coordinator.store.history(run.runId);
  const updates = groupBy(history.updates, ({ countedIn }) => countedIn);
  const failures = groupBy(history.failures, ({ round }) => round);
  return {
    ...runSummary(run),
    rounds: history.rounds.map((published) => {
      const { round } = published;
      return roundView(run, published, updates.get(round) ?? [], failures.get(round) ?? []);
    }),
    silos: newestTasks(run.state).map((task) =>
      taskView(task, coordinator.progress.get(run.runId, task.silo)),
    ),
    evaluations: history.evaluations.map(
      ({ silo, version, examples, loss, accuracy, metrics }): EvaluationInput => ({
        silo,
        version,
        examples,
        loss,
        accuracy: accuracy ?? NaN,
        metrics: { ...metrics },
      }),
    ),
  };
}

function roundView(
  run: RunActor,
  published: PublishedRound,
  updates: readonly UpdateRecord[],
  failures: readonly FailureRecord[],
): RoundRecordInput {
  const { round, startedMs, publishedMs, diagnosis, diagnosticsJson, rollback } = published;
  return {
    round,
    startedMs,
    publishedMs,
    diagnosis,
    diagnosticsJson,
    adapter: adapterRef(run, round),
    ...(rollback && { rollback }),
    bytesReceived: updates.reduce((sum, update) => sum + update.bytes, 0),
    updates: updates.map(({ silo, sha256, examples, loss, seconds, bytes, steps, baseVersion }) => ({
      silo,
      staleness: round - 1 - baseVersion,
      sha256: Buffer.from(sha256, 'hex'),
      examples,
      loss,
      seconds,
      bytes,
      steps,
    })),
    failures: failures.map(({ silo, code, message, atMs }) => ({ silo, code, message, atMs })),
  };
}

function taskView({ silo, id, state, message = '' }: TaskState, live: Progress | undefined): SiloTaskInput {
  const progress = live?.taskId === id ? live : undefined;
  return {
    silo,
    state: state === 'assigned' && progress ? activity(progress) : state,
    step: progress?.step ?? 0,
    totalSteps: progress?.totalSteps ?? 0,
    loss: progress?.loss ?? NaN,
    message,
  };
}

function activity({ phase }: Progress): string {
  return phase === 'uploading' ? 'uploading' : 'training';
}
