import {
  chmodSync,
  closeSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
  type Stats,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname } from 'node:path';
import { FedrotError } from '../errors.js';

/** Modes of what lies on disk: keys for their owner alone, certificates for everyone. */
const SECRET_MODE = 0o600;
const PUBLIC_MODE = 0o644;
const FOLDER_MODE = 0o700;

function failed(path: string, what: string, cause: unknown): FedrotError {
  const code = (cause as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return new FedrotError('not_found', `${path}: no such file`, { cause });
  if (code === 'ENOSPC') return new FedrotError('storage_full', `${path}: the disk is full`, { cause });
  return new FedrotError('storage_failed', `${path}: cannot be ${what} (${code ?? 'unknown reason'})`, {
    cause,
  });
}

function syncFolder(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * Writes a file whole or not at all: temporary name, fsync, rename, fsync of the folder. The file has its mode from its
 * first byte on. Makes the folder (0700). Throws storage_failed or storage_full.
 */
export function writeFileAtomic(path: string, data: string | Uint8Array, mode = PUBLIC_MODE): void {
  const folder = dirname(path);
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    mkdirSync(folder, { recursive: true, mode: FOLDER_MODE });
    const fd = openSync(temporary, 'wx', mode);
    try {
      const bytes = Buffer.from(data);
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(temporary, mode); // the umask may have taken bits away
    renameSync(temporary, path);
    if (process.platform !== 'win32') syncFolder(folder);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw failed(path, 'written', cause);
  }
}

/** As writeFileAtomic with 0600. */
export function writeSecret(path: string, data: string | Uint8Array): void {
  writeFileAtomic(path, data, SECRET_MODE);
}

/**
 * Whether a key file is open to others. The rule is PostgreSQL's for its server key: nobody but the owner, or, where root
 * owns it, root's group too (0640), as container platforms mount secrets. Windows has no modes; there it is never open.
 */
export function openToOthers(stats: Pick<Stats, 'mode' | 'uid'>, platform = process.platform): boolean {
  if (platform === 'win32') return false;
  return (stats.mode & (stats.uid === 0 ? 0o037 : 0o077)) !== 0;
}

/** The file's text. Throws not_found, storage_failed, and permission_denied where others may read or change it. */
export function readSecret(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    throw failed(path, 'read', cause);
  }
  try {
    const stats = fstatSync(fd);
    if (openToOthers(stats))
      throw new FedrotError(
        'permission_denied',
        `${path}: others may read this key (mode ${(stats.mode & 0o777).toString(8).padStart(4, '0')}); run: chmod 600 ${path}`,
      );
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** The file's text. Throws not_found or storage_failed. */
export function readPublicFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw failed(path, 'read', cause);
  }
}
