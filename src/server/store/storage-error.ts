import { FedrotError, type ErrorCode } from '../../errors.js';

/** What a failure of disk or database means to whoever waits for it: by SQLite result code or errno. */
const CODES: readonly (readonly [pattern: RegExp, code: ErrorCode, meaning: string])[] = [
  [/^(SQLITE_FULL|ENOSPC|EDQUOT)/, 'storage_full', 'the disk is full: free some space on the coordinator'],
  [/^(SQLITE_READONLY|EROFS|EACCES|EPERM)/, 'storage_failed', 'the disk cannot be written'],
  [/^(SQLITE_CORRUPT|SQLITE_NOTADB)/, 'storage_corrupt', 'the database is damaged: restore a backup'],
  [/^(SQLITE_|E[A-Z])/, 'storage_failed', 'the disk failed'],
];

/** Any error of a file or the database as a FedrotError; `doing` is what was tried, e.g. `storing an update`. */
export function storageError(thrown: unknown, doing: string): FedrotError {
  if (thrown instanceof FedrotError) return thrown;
  const code = codeOf(thrown);
  const row = CODES.find(([pattern]) => pattern.test(code));
  const [, kind, meaning] = row ?? [null, 'storage_failed' as const, 'the storage failed'];
  return new FedrotError(kind, `${doing}: ${meaning}${code === '' ? '' : ` (${code})`}`, { cause: thrown });
}

function codeOf(thrown: unknown): string {
  if (typeof thrown !== 'object' || thrown === null) return '';
  const { code, message } = thrown as { code?: unknown; message?: unknown };
  if (typeof code === 'string' && code !== '') return code;
  // libsql reports some failures of opening and writing only in the text.
  const text = typeof message === 'string' ? message : '';
  return /disk (image is malformed)/.test(text)
    ? 'SQLITE_CORRUPT'
    : /\bfull\b/.test(text)
      ? 'SQLITE_FULL'
      : '';
}
