import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { aggregate } from '../../align/aggregate.js';
import { FedrotError } from '../../errors.js';
import { encodeTensorFile } from '../../tensor/encode-file.js';
import { openTensorFile, type TensorFile } from '../../tensor/safetensors-file.js';
import { storageError } from '../store/storage-error.js';
import type { AggregationJob, AggregationOutcome } from './aggregation-job.js';

/** Reads the updates, combines them, writes the new adapter durably. Synchronous: for a worker thread. */
export function performAggregation(job: AggregationJob): AggregationOutcome {
  const files: TensorFile[] = [];
  const open = (path: string): TensorFile => {
    const file = openStored(path);
    files.push(file);
    return file;
  };
  try {
    const { tensors, diagnostics } = aggregate({
      method: job.method,
      options: job.options,
      round: job.round,
      seed: job.seed,
      previous: open(job.previousPath),
      updates: job.updates.map(({ silo, weight, path, sha256 }) => {
        requireDigest(path, sha256, `the update of ${silo}`);
        return { silo, weight, tensors: open(path) };
      }),
    });
    const { bytes, sha256 } = encodeTensorFile(tensors);
    writeDurably(job.outputPath, bytes);
    return { sha256, bytes: bytes.length, diagnostics };
  } finally {
    for (const file of files) file.close();
  }
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

function writeDurably(path: string, bytes: Uint8Array): void {
  try {
    const fd = openSync(path, 'w');
    try {
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch (thrown) {
    throw storageError(thrown, 'writing the new adapter');
  }
}
