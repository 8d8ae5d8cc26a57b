import { sql, type Kysely } from 'kysely';
import { diagnosisOf, evaluationRecord, failureRecord, rollbackOf, updateRecord } from './rows.js';
import { evaluationsOf, failuresOf, updatesOf } from './run-records.js';
import type { Contribution, RoundHistory, RoundTotals, RunSeries } from './store.js';
import type { Tables } from './tables.js';

/** What a database answers for a sum or count: PostgreSQL writes large ones as text. */
type Sum = number | string | null;

/** A run's rounds in numbers, without what grows with the number of silos. */
export async function querySeries(
  db: Kysely<Tables>,
  runId: string,
  { afterRound, afterMs }: { readonly afterRound: number; readonly afterMs: number },
): Promise<RunSeries> {
  const rounds = await db
    .selectFrom('rounds')
    .select(['round', 'started_ms', 'published_ms', 'diagnostics_json', 'diagnosis', 'rollback_json'])
    .where('run_id', '=', runId)
    .where('round', '>', afterRound)
    .orderBy('round')
    .execute();
  const updates = await db
    .selectFrom('updates')
    .select([
      sql<number>`counted_in`.as('round'),
      sql<Sum>`count(*)`.as('updates'),
      sql<Sum>`sum(examples)`.as('examples'),
      sql<Sum>`sum(bytes)`.as('bytes'),
      sql<Sum>`sum(loss * examples)`.as('weighted'),
      sql<Sum>`sum(CASE WHEN loss IS NULL THEN 0 ELSE examples END)`.as('weight'),
    ])
    .where('run_id', '=', runId)
    .where('counted_in', '>', afterRound)
    .groupBy('counted_in')
    .execute();
  const failures = await db
    .selectFrom('failures')
    .select(['round', sql<Sum>`count(*)`.as('failures')])
    .where('run_id', '=', runId)
    .where('round', '>', afterRound)
    .groupBy('round')
    .execute();
  const evaluations = await evaluationsOf(db, runId).where('received_ms', '>', afterMs).execute();
  const updatesIn = new Map(updates.map((row) => [row.round, row]));
  const failuresIn = new Map(failures.map((row) => [row.round, Number(row.failures)]));
  return {
    rounds: rounds.map((row): RoundTotals => {
      const found = updatesIn.get(row.round);
      const weight = Number(found?.weight ?? 0);
      return {
        round: row.round,
        startedMs: row.started_ms,
        publishedMs: row.published_ms,
        diagnosticsJson: row.diagnostics_json,
        diagnosis: diagnosisOf(row),
        updates: Number(found?.updates ?? 0),
        examples: Number(found?.examples ?? 0),
        bytes: Number(found?.bytes ?? 0),
        trainLoss:
          weight > 0 && found !== undefined && found.weighted !== null
            ? Number(found.weighted) / weight
            : null,
        failures: failuresIn.get(row.round) ?? 0,
        ...rollbackOf(row),
      };
    }),
    evaluations: evaluations.map(evaluationRecord),
  };
}

/** Everything that is kept of one published round; undefined where there is none. */
export async function queryRound(
  db: Kysely<Tables>,
  runId: string,
  round: number,
): Promise<RoundHistory | undefined> {
  const series = await querySeries(db, runId, { afterRound: round - 1, afterMs: Number.MAX_SAFE_INTEGER });
  const totals = series.rounds[0];
  if (totals?.round !== round) return undefined;
  const updates = await updatesOf(db, runId).where('counted_in', '=', round).execute();
  const failures = await failuresOf(db, runId).where('round', '=', round).execute();
  return { totals, updates: updates.map(updateRecord), failures: failures.map(failureRecord) };
}

/**
 * Rounds that each silo contributed to, up to a version, and its examples in the last of them: of the larger update, where a late one
 * was carried into it beside the round's own.
 */
export async function queryContributions(
  db: Kysely<Tables>,
  runId: string,
  version: number,
): Promise<readonly Contribution[]> {
  const last = db
    .selectFrom('updates')
    .select([
      'silo',
      sql<Sum>`count(DISTINCT counted_in)`.as('rounds'),
      sql<number>`max(counted_in)`.as('last'),
    ])
    .where('run_id', '=', runId)
    .where('counted_in', '<=', version)
    .groupBy('silo')
    .as('last');
  const rows = await db
    .selectFrom(last)
    .innerJoin('updates', (join) =>
      join.onRef('updates.silo', '=', 'last.silo').onRef('updates.counted_in', '=', 'last.last'),
    )
    .select(['last.silo as silo', 'last.rounds as rounds', sql<number>`max(updates.examples)`.as('examples')])
    .where('updates.run_id', '=', runId)
    .groupBy(['last.silo', 'last.rounds'])
    .orderBy('last.silo')
    .execute();
  return rows.map((row) => ({ silo: row.silo, rounds: Number(row.rounds), examples: row.examples }));
}
