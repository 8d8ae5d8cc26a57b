import { FedrotError, type ErrorCode } from './errors.js';

const MEANINGS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['storage_full', 'the disk is full'],
  EDQUOT: ['storage_full', 'the disk quota is used up'],
  EROFS: ['storage_failed', 'the disk is read-only'],
  EACCES: ['storage_failed', 'permission denied'],
  EPERM: ['storage_failed', 'permission denied'],
  ENOTDIR: ['storage_failed', 'a part of the path is not a folder'],
  EEXIST: ['storage_failed', 'something of that name is in the way'],
  EIO: ['storage_failed', 'the disk reports an input/output error'],
};

/** Runs work on files under `where`; failures of the disk become storage_full or storage_failed, others pass. */
export async function withStorageErrors<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
    const meaning = thrown instanceof FedrotError ? undefined : MEANINGS[code];
    if (meaning === undefined) throw thrown;
    const [kind, text] = meaning;
    // A full disk is the one that is written to; otherwise the file at fault may be one that is read.
    const { path } = thrown as NodeJS.ErrnoException;
    const place = kind === 'storage_full' ? where : (path ?? where);
    throw new FedrotError(kind, `${place}: ${text} (${code})`, { cause: thrown });
  }
}
