import type { Kysely } from 'kysely';
import { evaluationRecord, failureRecord, updateRecord } from './rows.js';
import type { RunHistory } from './store.js';
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
      'adapters.sha256',
      'adapters.bytes',
    ])
    .where('rounds.run_id', '=', runId)
    .orderBy('rounds.round')
    .execute();
  const updates = await db
    .selectFrom('updates')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('round')
    .orderBy('silo')
    .execute();
  const failures = await db
    .selectFrom('failures')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('id')
    .execute();
  const evaluations = await db
    .selectFrom('evaluations')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy('version')
    .orderBy('silo')
    .execute();
  return {
    rounds: rounds.map((row) => ({
      round: row.round,
      startedMs: row.started_ms,
      publishedMs: row.published_ms,
      diagnosticsJson: row.diagnostics_json,
      adapter: { sha256: row.sha256, bytes: row.bytes },
    })),
    updates: updates.map(updateRecord),
    failures: failures.map(failureRecord),
    evaluations: evaluations.map(evaluationRecord),
  };
}
