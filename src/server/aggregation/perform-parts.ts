import { openParts } from '../../align/parts.js';
import { checkRange } from '../../align/published-module.js';
import { FedrotError } from '../../errors.js';
import { TensorFileWriter } from '../../tensor/tensor-file-writer.js';
import { hashFileSync, syncFile } from '../../tensor/written-file.js';
import { storageError } from '../store/storage-error.js';
import type { AggregationJob, OutputFile, PartSquares } from './aggregation-job.js';
import { OpenFiles } from './open-files.js';

/** Of nobody else's: the number of the next part, counted in shared memory. */
const taken = (next: SharedArrayBuffer): number => Atomics.add(new Int32Array(next), 0, 1);

/**
 * Combines one part after the other that nobody else has taken, and writes it to its place in the new version's file. Synchronous: for
 * a worker thread, of which several may do the same. `verify`: reads all updates first, to see that they are what was accepted.
 */
export function performParts(
  job: AggregationJob,
  { verify, next }: { readonly verify: boolean; readonly next: SharedArrayBuffer },
  between: () => void = () => undefined,
): PartSquares {
  const files = new OpenFiles(verify);
  try {
    const { method, options, round, seed } = job;
    const previous = files.open(job.previousPath);
    const parts = openParts({ method, options, round, seed, previous, updates: files.updates(job) });
    const writer = storing(() => new TensorFileWriter(job.outputPath, parts.tensors));
    const squares: [number, number][] = [];
    try {
      for (let part = taken(next); part < parts.count; part = taken(next)) {
        between();
        let square = 0;
        for (const tensor of parts.combine(part)) {
          square += checkRange(tensor);
          storing(() => {
            writer.write(tensor);
          });
        }
        squares.push([part, square]);
      }
    } finally {
      writer.close();
    }
    return squares;
  } finally {
    files.close();
  }
}

/** The version's file is on the disk. */
export function syncVersion({ outputPath }: AggregationJob): void {
  storing(() => {
    syncFile(outputPath);
  });
}

/** Of the version's file, when all parts are written. */
export const nameVersion = ({ outputPath }: AggregationJob): OutputFile =>
  storing(() => hashFileSync(outputPath));

function storing<T>(write: () => T): T {
  try {
    return write();
  } catch (thrown) {
    throw thrown instanceof FedrotError ? thrown : storageError(thrown, 'writing what a round came to');
  }
}
