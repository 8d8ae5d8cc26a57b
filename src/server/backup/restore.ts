import { existsSync } from 'node:fs';
import { constants, copyFile, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { syncFolder } from '../spool/durable-file.js';
import { hashFile } from '../spool/hash-file.js';
import { storageError } from '../store/storage-error.js';
import { BACKUP_FILE, backupRecordSchema, type BackupRecord } from './backup-record.js';

/**
 * Makes a data folder from a backup; every file is what its record says, or nothing appears. `folder` is not there yet, or empty.
 * Throws not_found, file_invalid, checksum_mismatch, already_exists, storage_full, storage_failed.
 */
export async function restore(source: string, folder: string): Promise<BackupRecord> {
  const record = await readRecord(source);
  const there = await readdir(folder).catch(() => []);
  if (there.length > 0)
    throw new FedrotError(
      'already_exists',
      `${folder} is not empty: a backup is restored into a folder of its own`,
    );
  const partial = `${folder}.restoring`;
  try {
    await rm(partial, { recursive: true, force: true });
    for (const [name, sha256] of Object.entries(record.files)) {
      const target = join(partial, name);
      await mkdir(dirname(target), { recursive: true, mode: 0o700 });
      await copyFile(join(source, name), target, constants.COPYFILE_FICLONE);
      if ((await hashFile(target)) !== sha256)
        throw new FedrotError(
          'checksum_mismatch',
          `${name} of the backup is not what it was: take another backup`,
        );
    }
    await rm(folder, { recursive: true, force: true });
    await rename(partial, folder);
    await syncFolder(dirname(folder));
    return record;
  } catch (thrown) {
    await rm(partial, { recursive: true, force: true }).catch(() => undefined);
    throw storageError(thrown, `restoring ${source}`);
  }
}

async function readRecord(source: string): Promise<BackupRecord> {
  const path = join(source, BACKUP_FILE);
  if (!existsSync(path))
    throw new FedrotError(
      'not_found',
      `${source} is no backup: it has no ${BACKUP_FILE} (was it made to the end?)`,
    );
  try {
    return backupRecordSchema.parse(JSON.parse(await readFile(path, 'utf8')));
  } catch (cause) {
    throw new FedrotError('file_invalid', `${path} is not the record of a backup`, { cause });
  }
}
