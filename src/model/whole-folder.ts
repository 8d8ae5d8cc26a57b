import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { withStorageErrors } from '../storage-error.js';

/**
 * Makes a folder that is whole or not there: `fill` writes into a hidden one beside it, which takes its place when it is done. Nothing
 * is left behind on failure. Throws what `fill` throws; failures of the disk as storage_full or storage_failed.
 */
export function wholeFolder<T>(path: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const target = resolve(path);
  return withStorageErrors(target, async () => {
    await mkdir(dirname(target), { recursive: true });
    const folder = join(dirname(target), `.${basename(target)}-${randomUUID()}`);
    await mkdir(folder);
    try {
      const made = await fill(folder);
      await rm(target, { recursive: true, force: true });
      await rename(folder, target);
      return made;
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  });
}
