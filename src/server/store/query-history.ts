import type { Kysely } from 'kysely';
import { versionFiles } from './adapter-rows.js';
import { diagnosisOf, evaluationRecord, failureRecord, filesOf, rollbackOf, updateRecord } from './rows.js';
import { evaluationsOf, failuresOf, updatesOf } from './run-records.js';
import type { RunHistory, StoredUpdate } from './store.js';
import type { Tables } from './tables.js';

/** Everything that is kept of a run's rounds. */
export async function queryHistory(db: Kysely<Tables>, runId: string): Promise<RunHistory> {
  const rounds = await db
    .selectFrom('rounds')
    .innerJoin('adapters', (join) =>
      join.onRef('adapters.run_id', '=', 'rounds.run_id').onRef('adapters.version', '=', 'rounds.round'),
    )
    .select([
      'rounds.round',
      'rounds.started_ms',
      'rounds.published_ms',
      'rounds.diagnostics_json',
      'rounds.diagnosis',
      'rounds.rollback_json',
      'adapters.sha256',
      'adapters.bytes',
    ])
    .where('rounds.run_id', '=', runId)
    .orderBy('rounds.round')
    .execute();
  const updates = await updatesOf(db, runId).execute();
  const failures = await failuresOf(db, runId).execute();
  const evaluations = await evaluationsOf(db, runId).execute();
  const files = await versionFiles(db, runId);
  return {
    rounds: rounds.map((row) => ({
      round: row.round,
      startedMs: row.started_ms,
      publishedMs: row.published_ms,
      diagnosticsJson: row.diagnostics_json,
      diagnosis: diagnosisOf(row),
      adapter: { sha256: row.sha256, bytes: row.bytes },
      ...filesOf(files.get(row.round) ?? []),
      ...rollbackOf(row),
    })),
    updates: updates.map(updateRecord),
    failures: failures.map(failureRecord),
    evaluations: evaluations.map(evaluationRecord),
  };
}

/** Updates of rounds published from `fromMs` on and before `toMs`: the round that counted them, or did not. */
export async function queryPublishedUpdates(
  db: Kysely<Tables>,
  fromMs: number,
  toMs: number,
): Promise<readonly StoredUpdate[]> {
  const rows = await db
    .selectFrom('updates')
    .innerJoin('rounds', (join) =>
      join
        .onRef('rounds.run_id', '=', 'updates.run_id')
        .on('rounds.round', '=', (eb) => eb.fn.coalesce('updates.counted_in', 'updates.round')),
    )
    .select(['updates.run_id', 'updates.round', 'updates.silo', 'updates.sha256'])
    .where('rounds.published_ms', '>=', fromMs)
    .where('rounds.published_ms', '<', toMs)
    .orderBy('rounds.published_ms')
    .orderBy('updates.run_id')
    .orderBy('updates.silo')
    .execute();
  return rows.map(({ run_id: runId, round, silo, sha256 }) => ({ runId, round, silo, sha256 }));
}
