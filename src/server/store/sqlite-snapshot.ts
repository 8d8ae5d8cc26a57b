import { join } from 'node:path';
import Database from 'libsql';
import { storageError } from './storage-error.js';

export const DATABASE_FILE = 'fedrot.sqlite';

/** What a data folder's database says it has, beside its own state. */
export interface StoredFacts {
  /** Answer of PRAGMA integrity_check and foreign_key_check: empty where all is well. */
  readonly damage: readonly string[];
  readonly runs: readonly { readonly runId: string; readonly versions: readonly StoredVersion[] }[];
  readonly updates: readonly {
    readonly runId: string;
    readonly round: number;
    readonly silo: string;
    readonly sha256: string;
    /** Its round is published: retention may have deleted it since. */
    readonly published: boolean;
  }[];
}

export interface StoredVersion {
  readonly version: number;
  /** The adapter, and what else is stored with it. */
  readonly files: readonly string[];
}

interface Row {
  readonly run_id: string;
  readonly [column: string]: unknown;
}

/** Copies the database as it is at this moment into a new file, while a coordinator writes it (VACUUM INTO). */
export function snapshotDatabase(folder: string, target: string): void {
  withDatabase(folder, (database) => {
    database.prepare('VACUUM INTO ?').run(target);
  });
}

/** Reads a database that may be in use. Throws storage_corrupt, storage_failed. */
export function readFacts(folder: string): StoredFacts {
  return withDatabase(folder, (database) => {
    const all = (sql: string): Row[] => database.prepare(sql).all() as Row[];
    const text = (row: Row): string => Object.values(row).map(String).join(' ');
    const integrity = all('PRAGMA integrity_check').map(text);
    const damage = [
      ...integrity.filter((line) => line !== 'ok'),
      ...all('PRAGMA foreign_key_check').map((row) => `a row refers to one that is missing: ${text(row)}`),
    ];
    const adapters = all('SELECT run_id, version, sha256 FROM adapters ORDER BY run_id, version');
    const extra = all('SELECT run_id, version, sha256 FROM version_files');
    const runs = all('SELECT run_id FROM runs ORDER BY created_seq').map(({ run_id: runId }) => ({
      runId,
      versions: adapters
        .filter((row) => row.run_id === runId)
        .map(({ version, sha256 }) => ({
          version: Number(version),
          files: [
            String(sha256),
            ...extra
              .filter((row) => row.run_id === runId && row.version === version)
              .map((row) => String(row.sha256)),
          ],
        })),
    }));
    const updates = all(
      `SELECT u.run_id, u.round, u.silo, u.sha256, r.round IS NOT NULL AS published FROM updates u
       LEFT JOIN rounds r ON r.run_id = u.run_id AND r.round = coalesce(u.counted_in, u.round)`,
    ).map(({ run_id: runId, round, silo, sha256, published }) => ({
      runId,
      round: Number(round),
      silo: String(silo),
      sha256: String(sha256),
      published: Number(published) === 1,
    }));
    return { damage, runs, updates };
  });
}

function withDatabase<T>(folder: string, work: (database: Database.Database) => T): T {
  const path = join(folder, DATABASE_FILE);
  let database: Database.Database | undefined;
  try {
    database = new Database(path, { fileMustExist: true });
    database.pragma('busy_timeout = 10000');
    return work(database);
  } catch (thrown) {
    throw storageError(thrown, `reading ${path}`);
  } finally {
    database?.close();
  }
}
