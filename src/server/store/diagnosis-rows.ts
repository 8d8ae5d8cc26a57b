import type { Kysely, Transaction } from 'kysely';
import { appendLog } from './run-log.js';
import type { DiagnosisRecord } from './store.js';
import type { Tables } from './tables.js';

/** Diagnoses of published rounds in the database. */

export async function writeDiagnosis(
  tx: Transaction<Tables>,
  runId: string,
  { round, diagnosis, diagnosticsJson, log }: DiagnosisRecord,
): Promise<void> {
  await tx
    .updateTable('rounds')
    .set({ diagnosis, diagnostics_json: diagnosticsJson })
    .where('run_id', '=', runId)
    .where('round', '=', round)
    .execute();
  await appendLog(tx, runId, log);
}

export async function readUndiagnosed(db: Kysely<Tables>, runId: string): Promise<readonly number[]> {
  const rows = await db
    .selectFrom('rounds')
    .select('round')
    .where('diagnosis', '=', 'pending')
    .where('run_id', '=', runId)
    .orderBy('round')
    .execute();
  return rows.map(({ round }) => round);
}

export async function readUndiagnosedFiles(db: Kysely<Tables>): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('rounds')
    .innerJoin('updates', (join) =>
      join.onRef('updates.run_id', '=', 'rounds.run_id').onRef('updates.counted_in', '=', 'rounds.round'),
    )
    .select('updates.sha256')
    .where('rounds.diagnosis', '=', 'pending')
    .execute();
  return new Set(rows.map(({ sha256 }) => sha256));
}
