import type { Kysely, Selectable } from 'kysely';
import { groupBy } from '../../group-by.js';
import { adapterRecord } from './rows.js';
import type { AdapterRecord } from './store.js';
import type { Tables } from './tables.js';

/** Published versions and the files that they consist of. */

export async function readAdapters(db: Kysely<Tables>, runId: string): Promise<readonly AdapterRecord[]> {
  const rows = await db
    .selectFrom('adapters')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('version')
    .execute();
  const files = await versionFiles(db, runId);
  return rows.map((row) => adapterRecord(row, files.get(row.version) ?? []));
}

/** What a run's versions have beside their adapters, by version. */
export async function versionFiles(
  db: Kysely<Tables>,
  runId: string,
): Promise<ReadonlyMap<number, readonly Selectable<Tables['version_files']>[]>> {
  const rows = await db.selectFrom('version_files').selectAll().where('run_id', '=', runId).execute();
  return groupBy(rows, ({ version }) => version);
}

/** Adapters, and what was published with them. */
const publishedFiles = (db: Kysely<Tables>) =>
  db.selectFrom('adapters').select('sha256').union(db.selectFrom('version_files').select('sha256'));

export async function readPublishedFiles(db: Kysely<Tables>): Promise<ReadonlySet<string>> {
  const rows = await publishedFiles(db).execute();
  return new Set(rows.map((row) => row.sha256));
}

export async function readReferencedFiles(db: Kysely<Tables>): Promise<ReadonlySet<string>> {
  const rows = await publishedFiles(db).union(db.selectFrom('updates').select('sha256')).execute();
  return new Set(rows.map((row) => row.sha256));
}
