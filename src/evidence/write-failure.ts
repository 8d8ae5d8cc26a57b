import { FedrotError } from '../errors.js';

/** What a failed write of evidence means to whoever waits for it: storage_full or storage_failed, naming the file. */
export function writeFailure(path: string, thrown: unknown): FedrotError {
  if (thrown instanceof FedrotError) return thrown;
  const { code } = thrown as NodeJS.ErrnoException;
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  return new FedrotError(
    full ? 'storage_full' : 'storage_failed',
    `${path}: ${full ? 'the disk is full' : `cannot be written${code === 'EROFS' ? ': the disk is read-only' : ''}`}`,
    { cause: thrown },
  );
}
