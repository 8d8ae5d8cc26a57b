import type { Kysely, Transaction } from 'kysely';
import { logEntry, logRow } from './rows.js';
import type { LogQuery, RunLogEntry } from './store.js';
import type { Tables } from './tables.js';

/** A run's log in the database. */

export async function appendLog(
  tx: Transaction<Tables>,
  runId: string,
  entries: readonly RunLogEntry[],
): Promise<void> {
  for (const entry of entries) await tx.insertInto('run_log').values(logRow(runId, entry)).execute();
}

export async function readLog(
  db: Kysely<Tables>,
  runId: string,
  { afterSeq, limit, levels }: LogQuery,
): Promise<readonly RunLogEntry[]> {
  const rows = await db
    .selectFrom('run_log')
    .selectAll()
    .where('run_id', '=', runId)
    .where('seq', '>', afterSeq)
    .where('level', 'in', levels)
    .orderBy('seq')
    .limit(limit)
    .execute();
  return rows.map(logEntry);
}

/** Number of the newest entry; 0 where there is none. */
export async function lastLogSeq(db: Kysely<Tables>, runId: string): Promise<number> {
  const row = await db
    .selectFrom('run_log')
    .select((eb) => eb.fn.max('seq').as('seq'))
    .where('run_id', '=', runId)
    .executeTakeFirst();
  return row?.seq ?? 0;
}
