import { join } from 'node:path';
import Database from 'libsql';
import { Kysely, SqliteDialect } from 'kysely';
import { FedrotError } from '../../errors.js';
import { KyselyStore } from './kysely-store.js';
import { migrate } from './migrations.js';
import { storageError } from './storage-error.js';
import type { Store } from './store.js';
import type { Tables } from './tables.js';

/**
 * The embedded default: one SQLite file `fedrot.sqlite` in the data folder. WAL with synchronous=FULL: a commit that
 * returns survives a power cut (https://sqlite.org/pragma.html#pragma_synchronous). The folder exists.
 * Throws already_exists where another coordinator uses the folder, storage_corrupt, storage_failed, precondition_failed.
 */
export async function openSqliteStore(folder: string): Promise<Store> {
  const path = join(folder, 'fedrot.sqlite');
  const lock = lockFolder(folder);
  let database: Database.Database | undefined;
  try {
    database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database }) });
    await migrate(db, path);
    return new KyselyStore(db, () => {
      lock.close();
    });
  } catch (thrown) {
    database?.close();
    lock.close();
    throw storageError(thrown, `opening ${path}`);
  }
}

/**
 * An open exclusive transaction on a file beside the database: the system releases it with the process, however that
 * ends, and readers of the database itself (a backup) are not kept out.
 */
function lockFolder(folder: string): Database.Database {
  const path = join(folder, 'lock.sqlite');
  let lock: Database.Database | undefined;
  try {
    lock = new Database(path);
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (thrown) {
    lock?.close();
    if ((thrown as { code?: unknown }).code === 'SQLITE_BUSY')
      throw new FedrotError(
        'already_exists',
        `the data folder ${folder} is in use by another coordinator: stop it, or name another folder`,
      );
    throw storageError(thrown, `opening the data folder ${folder}`);
  }
}
