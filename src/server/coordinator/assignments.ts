import { instructions } from '../../align/methods.js';
import { FedrotError } from '../../errors.js';
import { NO_TRACING, roundContext, type Tracing } from '../../trace/tracing.js';
import type { AdapterRefInput } from '../../rpc/gen/fedrot/v1/AdapterRef.js';
import type { AssignmentInput } from '../../rpc/gen/fedrot/v1/Assignment.js';
import { outstandingTasks, type OutstandingTask } from '../round/outstanding.js';
import type { MergeRefInput } from '../../rpc/gen/fedrot/v1/MergeRef.js';
import type { AdapterFile, AdapterRecord } from '../store/store.js';
import type { RunActor } from './run-actor.js';

/** Everything that is outstanding for a silo in a run, as it goes over the wire. */
export function outstandingAssignments(
  run: RunActor,
  silo: string,
  tracing: Tracing = NO_TRACING,
): readonly AssignmentInput[] {
  return outstandingTasks(run.state, silo).map((task) => ({
    ...toAssignment(run, task),
    ...(tracing.enabled && { traceparent: roundContext(run.runId, run.createdMs, run.state.round) }),
  }));
}

function toAssignment(run: RunActor, task: OutstandingTask): AssignmentInput {
  const { aggregation, bundle } = run.spec;
  const common = {
    runId: run.runId,
    bundleSha256: bundle,
    specJson: JSON.stringify(run.spec),
    deadlineMs: task.deadlineMs,
  };
  if (task.kind === 'evaluate')
    return {
      taskId: task.id,
      evaluate: { ...common, adapter: adapterRef(run, task.version), merges: mergesOf(run, task.version) },
    };
  return {
    taskId: task.id,
    train: {
      ...common,
      round: task.round,
      adapter: adapterRef(run, task.baseVersion),
      merges: mergesOf(run, task.baseVersion),
      instructionsJson: JSON.stringify(instructions(aggregation.method, aggregation.options, task.round)),
    },
  };
}

/** A published version. Throws not_found. */
export function publishedAdapter(run: RunActor, version: number): AdapterRecord {
  const adapter = run.adapters.get(version);
  if (!adapter)
    throw new FedrotError(
      'not_found',
      `run ${run.runId} has no version ${version} of its adapter; the newest is ${run.state.version}`,
    );
  return adapter;
}

/** A published version as messages name it. Throws not_found. */
export function adapterRef(run: RunActor, version: number): AdapterRefInput {
  const { sha256, bytes, merge } = publishedAdapter(run, version);
  return {
    runId: run.runId,
    version,
    sha256: Buffer.from(sha256, 'hex'),
    bytes,
    ...(merge && { merge: mergeRef(version, merge) }),
  };
}

/** The merge files of all versions up to this one: what a silo's base must hold before it works with it. */
function mergesOf(run: RunActor, version: number): MergeRefInput[] {
  return [...run.adapters.values()].flatMap(({ version: at, merge }) =>
    merge && at <= version ? [mergeRef(at, merge)] : [],
  );
}

const mergeRef = (version: number, { sha256, bytes }: AdapterFile): MergeRefInput => ({
  version,
  sha256: Buffer.from(sha256, 'hex'),
  bytes,
});
