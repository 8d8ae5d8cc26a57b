import { Migrator, sql, type Kysely, type Migration } from 'kysely';
import { FedrotError } from '../../errors.js';
import { storageError } from './storage-error.js';
import type { Tables } from './tables.js';

/** Every change of the schema, oldest first, never edited once released. The plain SQL runs on SQLite and PostgreSQL alike. */
const MIGRATIONS: Readonly<Record<string, readonly string[]>> = {
  '0001-first': [
    `CREATE TABLE runs (
       run_id TEXT PRIMARY KEY, created_seq BIGINT NOT NULL, created_ms BIGINT NOT NULL, spec_json TEXT NOT NULL,
       snapshot_json TEXT NOT NULL, snapshot_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL)`,
    `CREATE TABLE events (
       run_id TEXT NOT NULL REFERENCES runs, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL, event_json TEXT NOT NULL,
       PRIMARY KEY (run_id, seq))`,
    `CREATE TABLE adapters (
       run_id TEXT NOT NULL REFERENCES runs, version INTEGER NOT NULL, sha256 TEXT NOT NULL, bytes BIGINT NOT NULL,
       created_ms BIGINT NOT NULL, PRIMARY KEY (run_id, version))`,
    `CREATE TABLE rounds (
       run_id TEXT NOT NULL REFERENCES runs, round INTEGER NOT NULL, started_ms BIGINT NOT NULL,
       published_ms BIGINT NOT NULL, diagnostics_json TEXT NOT NULL, PRIMARY KEY (run_id, round))`,
    `CREATE TABLE updates (
       run_id TEXT NOT NULL REFERENCES runs, round INTEGER NOT NULL, silo TEXT NOT NULL, task_id TEXT NOT NULL,
       sha256 TEXT NOT NULL, examples BIGINT NOT NULL, bytes BIGINT NOT NULL, loss DOUBLE PRECISION,
       steps BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL, received_ms BIGINT NOT NULL,
       PRIMARY KEY (run_id, round, silo))`,
    `CREATE INDEX updates_by_silo ON updates (silo)`,
    `CREATE TABLE evaluations (
       run_id TEXT NOT NULL REFERENCES runs, version INTEGER NOT NULL, silo TEXT NOT NULL, examples BIGINT NOT NULL,
       loss DOUBLE PRECISION, accuracy DOUBLE PRECISION, metrics_json TEXT NOT NULL, received_ms BIGINT NOT NULL,
       PRIMARY KEY (run_id, version, silo))`,
    `CREATE TABLE silos (
       silo TEXT PRIMARY KEY, role TEXT NOT NULL, session_id TEXT NOT NULL, software_version TEXT NOT NULL,
       protocol INTEGER NOT NULL, examples BIGINT NOT NULL, labels_json TEXT NOT NULL,
       first_seen_ms BIGINT NOT NULL, last_seen_ms BIGINT NOT NULL)`,
  ],
  '0002-access': [
    `CREATE TABLE tokens (
       id TEXT PRIMARY KEY, created_ms BIGINT NOT NULL, used INTEGER NOT NULL, token_json TEXT NOT NULL)`,
    `CREATE TABLE certificates (
       serial TEXT PRIMARY KEY, party TEXT NOT NULL, issued_ms BIGINT NOT NULL, not_after_ms BIGINT NOT NULL)`,
    `CREATE INDEX certificates_by_party ON certificates (party)`,
  ],
  '0003-version-files': [
    `CREATE TABLE version_files (
       run_id TEXT NOT NULL REFERENCES runs, version INTEGER NOT NULL, kind TEXT NOT NULL, sha256 TEXT NOT NULL,
       bytes BIGINT NOT NULL, PRIMARY KEY (run_id, version, kind))`,
  ],
  '0004-run-log': [
    `CREATE TABLE run_log (
       run_id TEXT NOT NULL REFERENCES runs, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL, level TEXT NOT NULL,
       kind TEXT NOT NULL, round INTEGER NOT NULL, silo TEXT NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
       PRIMARY KEY (run_id, seq))`,
    `ALTER TABLE updates ADD COLUMN counted_in INTEGER`,
    `UPDATE updates SET counted_in = round`,
    `ALTER TABLE rounds ADD COLUMN rollback_json TEXT`,
  ],
  '0005-http-tokens': [
    `CREATE TABLE http_tokens (id TEXT PRIMARY KEY, created_ms BIGINT NOT NULL, token_json TEXT NOT NULL)`,
  ],
  '0006-base-version': [
    `ALTER TABLE updates ADD COLUMN base_version INTEGER NOT NULL DEFAULT 0`,
    `UPDATE updates SET base_version = round - 1`,
  ],
  '0007-diagnosis': [
    `ALTER TABLE rounds ADD COLUMN diagnosis TEXT NOT NULL DEFAULT 'done'`,
    `UPDATE rounds SET diagnosis = 'none' WHERE rollback_json IS NOT NULL`,
    `CREATE INDEX rounds_by_diagnosis ON rounds (diagnosis, run_id, round)`,
  ],
};

/** The one table whose key the database counts up itself: each kind of database says that differently. */
async function createFailures(db: Kysely<Tables>): Promise<void> {
  await db.schema
    .createTable('failures')
    .addColumn('id', 'integer', (column) => column.primaryKey().autoIncrement())
    .addColumn('run_id', 'text', (column) => column.notNull().references('runs.run_id'))
    .addColumn('round', 'integer', (column) => column.notNull())
    .addColumn('silo', 'text', (column) => column.notNull())
    .addColumn('task_id', 'text', (column) => column.notNull())
    .addColumn('code', 'text', (column) => column.notNull())
    .addColumn('message', 'text', (column) => column.notNull())
    .addColumn('at_ms', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('failures_by_run').on('failures').columns(['run_id', 'id']).execute();
}

function migration(name: string, statements: readonly string[]): Migration {
  return {
    up: async (db: Kysely<Tables>) => {
      for (const statement of statements) await sql.raw(statement).execute(db);
      if (name === '0001-first') await createFailures(db);
    },
  };
}

/** Brings the schema up to date. A database of a newer fedrot is refused (precondition_failed), never guessed at. */
export async function migrate(db: Kysely<Tables>, where: string): Promise<void> {
  const migrations = Object.fromEntries(
    Object.entries(MIGRATIONS).map(([name, statements]) => [name, migration(name, statements)]),
  );
  const migrator = new Migrator({ db, provider: { getMigrations: () => Promise.resolve(migrations) } });
  const { error } = await migrator.migrateToLatest();
  if (error === undefined) return;
  if (error instanceof Error && error.message.includes('corrupted migrations'))
    throw new FedrotError(
      'precondition_failed',
      `${where} was written by a newer version of fedrot: start that version, or use another data folder`,
      { cause: error },
    );
  throw storageError(error, `bringing ${where} up to date`);
}
