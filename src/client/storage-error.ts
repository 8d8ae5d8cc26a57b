import { FedrotError, type ErrorCode } from '../errors.js';

const MEANINGS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOSPC: ['storage_full', 'the disk is full'],
  EDQUOT: ['storage_full', 'the disk quota is used up'],
  EROFS: ['storage_failed', 'the disk is read-only'],
  EACCES: ['storage_failed', 'permission denied'],
  EPERM: ['storage_failed', 'permission denied'],
  ENOTDIR: ['storage_failed', 'a part of the path is not a folder'],
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
    throw new FedrotError(meaning[0], `${where}: ${meaning[1]} (${code})`, { cause: thrown });
  }
}
