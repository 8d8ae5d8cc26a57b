import type { Kysely } from 'kysely';
import type { Tables } from './tables.js';

/** What is kept of a run, as queries in their order: callers narrow them. */

export const updatesOf = (db: Kysely<Tables>, runId: string) =>
  db
    .selectFrom('updates')
    .selectAll()
    .where('run_id', '=', runId)
    .orderBy((eb) => eb.fn.coalesce('counted_in', 'round'))
    .orderBy('silo');

export const failuresOf = (db: Kysely<Tables>, runId: string) =>
  db.selectFrom('failures').selectAll().where('run_id', '=', runId).orderBy('id');

export const evaluationsOf = (db: Kysely<Tables>, runId: string) =>
  db.selectFrom('evaluations').selectAll().where('run_id', '=', runId).orderBy('version').orderBy('silo');
