import type { WeightedUpdate } from '../../align/types.js';
import { FedrotError } from '../../errors.js';
import { openTensorFile, type TensorFile } from '../../tensor/safetensors-file.js';
import { hashFileSync } from '../../tensor/written-file.js';
import { storageError } from '../store/storage-error.js';
import type { JobFile, JobUpdate, RoundJob } from './aggregation-job.js';

/** The stored files that a job reads, closed together. */
export class OpenFiles {
  readonly #files: TensorFile[] = [];

  constructor(private readonly verify = true) {}

  /** A file that was whole when it was stored: whatever is wrong with it now is damage. */
  open(path: string): TensorFile {
    try {
      const file = openTensorFile(path);
      this.#files.push(file);
      return file;
    } catch (thrown) {
      if (!(thrown instanceof FedrotError)) throw storageError(thrown, `opening ${path}`);
      throw new FedrotError('storage_corrupt', `a stored file is missing or damaged: ${thrown.message}`, {
        cause: thrown,
      });
    }
  }

  /** One that is still what it was when it was stored. Throws storage_corrupt. */
  openChecked({ path, sha256 }: JobFile, what: string): TensorFile {
    requireDigest(path, sha256, what);
    return this.open(path);
  }

  updates({ updates }: RoundJob): WeightedUpdate[] {
    return updates.map((update) => {
      if (this.verify) requireUpdate(update);
      const { silo, weight, path, stale } = update;
      return {
        silo,
        weight,
        tensors: this.open(path),
        ...(stale && { stale: { base: this.open(stale.path), scale: stale.scale } }),
      };
    });
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

/** An update, and the version that it began from, are what they were. Throws storage_corrupt. */
export function requireUpdate({ silo, path, sha256, untouched, stale }: JobUpdate): void {
  if (untouched !== true) requireDigest(path, sha256, `the update of ${silo}`);
  if (stale) requireDigest(stale.path, stale.sha256, `the version that ${silo} began from`);
}

/** Nothing that was changed on the disk goes into an adapter. */
function requireDigest(path: string, sha256: string, what: string): void {
  let actual: string;
  try {
    actual = hashFileSync(path).sha256;
  } catch (thrown) {
    throw new FedrotError('storage_corrupt', `${what} is missing or cannot be read`, { cause: thrown });
  }
  if (actual !== sha256)
    throw new FedrotError(
      'storage_corrupt',
      `${what} was changed on the disk: its SHA-256 is ${actual}, accepted was ${sha256}`,
    );
}
