import { z } from 'zod';
import { SHA256 } from '../../name.js';

export const BACKUP_FILE = 'backup.json';
export const BACKUP_FORMAT = 'fedrot-backup/1';

/** What a backup holds: every file by its path within the data folder, with its SHA-256. */
export const backupRecordSchema = z.strictObject({
  format: z.literal(BACKUP_FORMAT),
  /** Unix epoch, ms. */
  createdMs: z.int().min(0),
  files: z.record(
    z
      .string()
      .regex(
        /^(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+(\/(?!\.{1,2}(\/|$))[A-Za-z0-9._-]+)*$/,
        'must be a path below the folder',
      ),
    z.string().regex(SHA256),
  ),
});

export type BackupRecord = z.output<typeof backupRecordSchema>;
