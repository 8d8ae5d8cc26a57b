import { open } from 'node:fs/promises';
import { FedrotError } from '../../errors.js';
import { storageError } from '../store/storage-error.js';

/**
 * A file's bytes from `start` up to `end` (exclusive), in pieces of `chunkBytes`; each is read when it is asked for.
 * Throws not_found, storage_failed, and storage_corrupt where the file is shorter than it should be.
 */
export async function* readChunks(
  path: string,
  start: number,
  end: number,
  chunkBytes: number,
): AsyncGenerator<Buffer, void, undefined> {
  const handle = await openToRead(path);
  try {
    for (let at = start; at < end;) {
      const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - at));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, at).catch((thrown: unknown) => {
        throw storageError(thrown, `reading ${path}`);
      });
      if (bytesRead === 0)
        throw new FedrotError('storage_corrupt', `a stored file ends at byte ${at} of ${end}`, {
          details: { path },
        });
      yield buffer.subarray(0, bytesRead);
      at += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function openToRead(path: string): ReturnType<typeof open> {
  try {
    return await open(path, 'r');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT')
      throw new FedrotError('not_found', 'the file is not stored here (any more)', {
        cause: thrown,
        details: { path },
      });
    throw storageError(thrown, `reading ${path}`);
  }
}
