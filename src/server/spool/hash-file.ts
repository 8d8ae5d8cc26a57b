import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { storageError } from '../store/storage-error.js';

/** SHA-256 of a file, hex; undefined where there is none. Throws storage_failed. */
export async function hashFile(path: string): Promise<string | undefined> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(thrown, `reading ${path}`);
  }
  return hash.digest('hex');
}
