import { combine } from '../../align/aggregate.js';
import { FedrotError } from '../../errors.js';
import { memorySource } from '../../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../../tensor/tensor.js';
import { writeTensorFile } from '../../tensor/write-file.js';
import { storageError } from '../store/storage-error.js';
import type { AggregationJob, AggregationOutcome, OutputFile } from './aggregation-job.js';
import { OpenFiles } from './open-files.js';

/**
 * Reads the updates, combines them, writes the new adapter durably, and with it what silos merge and what the next round needs.
 * Synchronous: for a worker thread.
 */
export function performAggregation(job: AggregationJob): AggregationOutcome {
  const files = new OpenFiles();
  try {
    const { method, options, serverOptimizer, robust, round, seed } = job;
    const { tensors, merge, state } = combine({
      method,
      options,
      serverOptimizer,
      robust,
      round,
      seed,
      previous: files.open(job.previousPath),
      ...(job.state && { state: files.openChecked(job.state, `the state of round ${round - 1}`) }),
      updates: files.updates(job),
    });
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
  let sum = 0;
  for (const { data } of tensors) for (const value of data) sum += value * value;
  return Math.sqrt(sum);
}

function write(path: string, source: TensorSource): OutputFile {
  try {
    return writeTensorFile(path, source);
  } catch (thrown) {
    throw thrown instanceof FedrotError ? thrown : storageError(thrown, 'writing what a round came to');
  }
}
