import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { aggregate } from '../../align/aggregate.js';
import { FedrotError } from '../../errors.js';
import { memorySource } from '../../tensor/encode-file.js';
import { openTensorFile, type TensorFile } from '../../tensor/safetensors-file.js';
import type { NamedTensor, TensorSource } from '../../tensor/tensor.js';
import { writeTensorFile } from '../../tensor/write-file.js';
import { storageError } from '../store/storage-error.js';
import type { AggregationJob, AggregationOutcome, JobFile, OutputFile } from './aggregation-job.js';

/**
 * Reads the updates, combines them, writes the new adapter durably, and with it what silos merge and what the next round needs.
 * Synchronous: for a worker thread.
 */
export function performAggregation(job: AggregationJob): AggregationOutcome {
  const files: TensorFile[] = [];
  const open = (path: string): TensorFile => {
    const file = openStored(path);
    files.push(file);
    return file;
  };
  const openChecked = ({ path, sha256 }: JobFile, what: string): TensorFile => {
    requireDigest(path, sha256, what);
    return open(path);
  };
  try {
    const { method, options, serverOptimizer, robust, round, seed } = job;
    const { tensors, diagnostics, merge, state } = aggregate({
      method,
      options,
      serverOptimizer,
      robust,
      round,
      seed,
      previous: open(job.previousPath),
      ...(job.state && { state: openChecked(job.state, `the state of round ${round - 1}`) }),
      updates: job.updates.map(({ silo, weight, stale, ...file }) => ({
        silo,
        weight,
        tensors: openChecked(file, `the update of ${silo}`),
        ...(stale && {
          stale: { base: openChecked(stale, `the version that ${silo} began from`), scale: stale.scale },
        }),
      })),
    });
    return {
      ...write(job.outputPath, memorySource(tensors)),
      ...(merge && { merge: write(job.mergeOutputPath, merge) }),
      ...(state && { state: write(job.stateOutputPath, memorySource(state)) }),
      norm: euclideanNorm(tensors),
      diagnostics,
    };
  } finally {
    for (const file of files) file.close();
  }
}

function euclideanNorm(tensors: readonly NamedTensor[]): number {
  let sum = 0;
  for (const { data } of tensors) for (const value of data) sum += value * value;
  return Math.sqrt(sum);
}

const READ_BYTES = 4 * 1024 * 1024;

/** Nothing that was changed on the disk goes into an adapter. */
function requireDigest(path: string, sha256: string, what: string): void {
  const hash = createHash('sha256');
  try {
    const fd = openSync(path, 'r');
    try {
      const buffer = Buffer.allocUnsafe(READ_BYTES);
      for (let read = readSync(fd, buffer); read > 0; read = readSync(fd, buffer))
        hash.update(buffer.subarray(0, read));
    } finally {
      closeSync(fd);
    }
  } catch (thrown) {
    throw new FedrotError('storage_corrupt', `${what} is missing or cannot be read`, { cause: thrown });
  }
  const actual = hash.digest('hex');
  if (actual !== sha256)
    throw new FedrotError(
      'storage_corrupt',
      `${what} was changed on the disk: its SHA-256 is ${actual}, accepted was ${sha256}`,
    );
}

/** A file that was whole when it was stored: whatever is wrong with it now is damage. */
function openStored(path: string): TensorFile {
  try {
    return openTensorFile(path);
  } catch (thrown) {
    if (!(thrown instanceof FedrotError)) throw storageError(thrown, `opening ${path}`);
    throw new FedrotError('storage_corrupt', `a stored file is missing or damaged: ${thrown.message}`, {
      cause: thrown,
    });
  }
}

function write(path: string, source: TensorSource): OutputFile {
  try {
    return writeTensorFile(path, source);
  } catch (thrown) {
    throw thrown instanceof FedrotError ? thrown : storageError(thrown, 'writing what a round came to');
  }
}
