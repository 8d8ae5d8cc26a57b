import { combine } from '../../align/aggregate.js';
import type { AggregateInput } from '../../align/types.js';
import { FedrotError } from '../../errors.js';
import { squareSum } from '../../tensor/bytes.js';
import { memorySource } from '../../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../../tensor/tensor.js';
import { writeTensorFile } from '../../tensor/write-file.js';
import { storageError } from '../store/storage-error.js';
import type { AggregationJob, AggregationOutcome, OutputFile, RoundJob } from './aggregation-job.js';
import { OpenFiles, requireUpdate } from './open-files.js';

/** Every update is still what it was when it was stored. Throws storage_corrupt. */
export function verifyUpdates({ updates }: RoundJob): void {
  for (const update of updates) requireUpdate(update);
}

/**
 * Reads the updates, combines them, writes the new adapter durably, and with it what silos merge and what the next round needs.
 * Synchronous: for a worker thread. `verify`: false where another thread does that at the same time, with verifyUpdates. `between`: see combine.
 */
export function performAggregation(
  job: AggregationJob,
  { verify = true, between }: { readonly verify?: boolean; readonly between?: () => void } = {},
): AggregationOutcome {
  const files = new OpenFiles(verify);
  try {
    const { method, options, serverOptimizer, robust, round, seed } = job;
    const input: AggregateInput = {
      method,
      options,
      serverOptimizer,
      robust,
      round,
      seed,
      previous: files.open(job.previousPath),
      ...(job.state && { state: files.openChecked(job.state, `the state of round ${round - 1}`) }),
      updates: files.updates(job),
    };
    const { tensors, merge, state } = combine(input, undefined, undefined, between);
    return {
      ...write(job.outputPath, memorySource(tensors)),
      ...(merge && { merge: write(job.mergeOutputPath, merge) }),
      ...(state && { state: write(job.stateOutputPath, memorySource(state)) }),
      norm: euclideanNorm(tensors),
    };
  } finally {
    files.close();
  }
}

function euclideanNorm(tensors: readonly NamedTensor[]): number {
  const square = ({ data }: NamedTensor): number =>
    squareSum(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 'f32');
  return Math.sqrt(tensors.reduce((sum, tensor) => sum + square(tensor), 0));
}

function write(path: string, source: TensorSource): OutputFile {
  try {
    return writeTensorFile(path, source);
  } catch (thrown) {
    throw thrown instanceof FedrotError ? thrown : storageError(thrown, 'writing what a round came to');
  }
}
