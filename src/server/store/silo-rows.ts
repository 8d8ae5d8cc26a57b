import type { Kysely, Transaction } from 'kysely';
import { siloRecord, siloRow } from './rows.js';
import type { SiloRecord, SiloSummary } from './store.js';
import type { Tables } from './tables.js';

/** Silos in the database. */

/** When a silo was first seen stays as it is. */
export async function writeSilo(tx: Transaction<Tables>, silo: SiloRecord): Promise<void> {
  const { first_seen_ms: _kept, silo: _key, ...changes } = siloRow(silo);
  await tx
    .insertInto('silos')
    .values(siloRow(silo))
    .onConflict((conflict) => conflict.column('silo').doUpdateSet(changes))
    .execute();
}

export async function readSilos(db: Kysely<Tables>): Promise<readonly SiloSummary[]> {
  const rows = await db.selectFrom('silos').selectAll().orderBy('silo').execute();
  const updates = await countBySilo(db, 'updates');
  const failures = await countBySilo(db, 'failures');
  return rows.map((row) => ({
    ...siloRecord(row),
    updatesAccepted: updates.get(row.silo) ?? 0,
    failures: failures.get(row.silo) ?? 0,
  }));
}

async function countBySilo(
  db: Kysely<Tables>,
  table: 'updates' | 'failures',
): Promise<ReadonlyMap<string, number>> {
  const rows = await db
    .selectFrom(table)
    .select((eb) => ['silo', eb.fn.countAll<number>().as('count')])
    .groupBy('silo')
    .execute();
  return new Map(rows.map((row) => [row.silo, row.count]));
}
