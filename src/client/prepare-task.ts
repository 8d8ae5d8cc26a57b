import { FedrotError } from '../errors.js';
import type { Bundle } from '../model/bundle.js';
import type { EvaluateTask } from '../rpc/gen/fedrot/v1/EvaluateTask.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { loraScale, type RunSpec } from '../run-spec.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { DataPart, DataSet } from './data/data-set.js';
import { fetchAdapter, fetchTensorFile, keepOnlyAdapter } from './link/fetch-adapter.js';
import { fetchBundle } from './link/fetch-bundle.js';
import { required, requireHash, requireRunName } from './read-task.js';
import type { Workshop } from './workshop.js';

/** What both kinds of tasks need before the work begins. */
interface Prepared {
  readonly bundle: Bundle;
  readonly spec: RunSpec;
  readonly adapter: readonly NamedTensor[];
}

/** The examples that a task is about. Throws precondition_failed. */
export function partOf(data: DataSet, part: keyof DataSet): DataPart {
  const found = data[part];
  if (found !== undefined) return found;
  throw new FedrotError(
    'precondition_failed',
    `this silo has no examples for the task: data.${part} is not configured`,
  );
}

/**
 * Bundle, merges and adapter of a task on this silo's disk, checked. Throws option_invalid for a task that contradicts itself, what
 * Consents.require throws, storage_full, what can never be fetched, and cancelled.
 */
export async function prepareTask(
  task: Pick<TrainTask | EvaluateTask, 'runId' | 'adapter' | 'bundleSha256' | 'merges'>,
  spec: RunSpec,
  workshop: Workshop,
  signal: AbortSignal,
): Promise<Prepared> {
  const { connection, bundleFolder, adapterFolder, limits, signers, accept, consents, clock } = workshop;
  const ref = required(task.adapter, 'an adapter');
  // The run that is agreed to is the run that the update goes to.
  if (ref.runId !== task.runId)
    throw new FedrotError('option_invalid', 'the coordinator sent a task with the adapter of another run');
  const bundleSha256 = requireHash(task.bundleSha256);
  requireRunName(ref.runId);
  await consents.require({ runId: ref.runId, bundle: bundleSha256, spec }, accept, clock.now());
  await limits.requireDisk(ref.bytes);
  const requireDisk = (bytes: number): Promise<void> => limits.requireDisk(bytes);
  const fetched = await fetchBundle(connection, bundleFolder, bundleSha256, signal, { signers, requireDisk });
  const bundle = await workshop.bases.base(fetched, {
    runId: ref.runId,
    scale: loraScale(spec.lora),
    merges: task.merges,
    fetch: (merge) => {
      const part = { ...merge, runId: ref.runId, part: 'ADAPTER_PART_MERGE' } as const;
      return fetchTensorFile(connection, adapterFolder, part, signal);
    },
  });
  const adapter = await fetchAdapter(connection, adapterFolder, ref, signal);
  await keepOnlyAdapter(adapterFolder, ref);
  return { bundle, spec, adapter };
}
