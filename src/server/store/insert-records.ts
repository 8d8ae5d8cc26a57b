import type { Transaction } from 'kysely';
import { evaluationRow, failureRow, updateRow, versionFileRows } from './rows.js';
import { appendLog } from './run-log.js';
import type { RunChange } from './store.js';
import type { Tables } from './tables.js';

/** What a change records beside its events. */
export async function insertRecords(tx: Transaction<Tables>, change: RunChange): Promise<void> {
  const { runId, published } = change;
  for (const record of change.updates ?? []) {
    // A round that was called off may begin anew under its number.
    await tx
      .deleteFrom('updates')
      .where('run_id', '=', runId)
      .where('round', '=', record.round)
      .where('silo', '=', record.silo)
      .where('counted_in', 'is', null)
      .execute();
    await tx.insertInto('updates').values(updateRow(runId, record)).execute();
  }
  for (const record of change.failures ?? [])
    await tx.insertInto('failures').values(failureRow(runId, record)).execute();
  for (const record of change.evaluations ?? []) {
    const { run_id: _run, version: _version, silo: _silo, ...changes } = evaluationRow(runId, record);
    await tx
      .insertInto('evaluations')
      .values(evaluationRow(runId, record))
      .onConflict((conflict) => conflict.columns(['run_id', 'version', 'silo']).doUpdateSet(changes))
      .execute();
  }
  await appendLog(tx, runId, change.log ?? []);
  if (change.calledOff !== undefined)
    await tx
      .updateTable('updates')
      .set({ counted_in: null })
      .where('run_id', '=', runId)
      .where('counted_in', '>=', change.calledOff)
      .execute();
  if (published === undefined) return;
  const { rollback, round, startedMs, publishedMs, diagnosis, diagnosticsJson, adapter } = published;
  await tx
    .insertInto('adapters')
    .values({ run_id: runId, version: round, ...adapter, created_ms: publishedMs })
    .execute();
  for (const row of versionFileRows(runId, round, published))
    await tx.insertInto('version_files').values(row).execute();
  await tx
    .insertInto('rounds')
    .values({
      run_id: runId,
      round,
      started_ms: startedMs,
      published_ms: publishedMs,
      diagnostics_json: diagnosticsJson,
      diagnosis,
      rollback_json: rollback === undefined ? null : JSON.stringify(rollback),
    })
    .execute();
}
