import type { Kysely, Transaction } from 'kysely';
import { FedrotError } from '../../errors.js';
import { parseRunSpec } from '../../run-spec.js';
import type { RunEvent } from '../round/events.js';
import { upgradeState, type UpgradableState } from '../round/upgrade-state.js';
import { insertRecords } from './insert-records.js';
import { lastLogSeq } from './run-log.js';
import type { NewRun, RunChange, StoredRun } from './store.js';
import type { Tables } from './tables.js';

/** Runs and their events in the database. */

export async function writeRun(tx: Transaction<Tables>, run: NewRun): Promise<void> {
  const { runId, spec, createdMs, state, initial } = run;
  const known = await tx.selectFrom('runs').select('run_id').where('run_id', '=', runId).executeTakeFirst();
  if (known) throw new FedrotError('already_exists', `there is already a run ${runId}`);
  const last = await tx
    .selectFrom('runs')
    .select((eb) => eb.fn.max('created_seq').as('seq'))
    .executeTakeFirst();
  await tx
    .insertInto('runs')
    .values({
      run_id: runId,
      created_seq: (last?.seq ?? 0) + 1,
      created_ms: createdMs,
      spec_json: JSON.stringify(spec),
      snapshot_json: JSON.stringify(state),
      snapshot_seq: 0,
      last_seq: 0,
    })
    .execute();
  await tx
    .insertInto('adapters')
    .values({ run_id: runId, version: 0, ...initial, created_ms: createdMs })
    .execute();
}

export async function readRuns(db: Kysely<Tables>): Promise<readonly StoredRun[]> {
  const rows = await db.selectFrom('runs').selectAll().orderBy('created_seq').execute();
  const stored: StoredRun[] = [];
  for (const row of rows) {
    const events = await db
      .selectFrom('events')
      .select('event_json')
      .where('run_id', '=', row.run_id)
      .where('seq', '>', row.snapshot_seq)
      .orderBy('seq')
      .execute();
    stored.push({
      runId: row.run_id,
      spec: parseRunSpec(JSON.parse(row.spec_json), `stored run ${row.run_id}`),
      createdMs: row.created_ms,
      snapshot: upgradeState(JSON.parse(row.snapshot_json) as UpgradableState),
      events: events.map((event) => JSON.parse(event.event_json) as RunEvent),
      seq: row.last_seq,
      logSeq: await lastLogSeq(db, row.run_id),
    });
  }
  return stored;
}

export async function writeChange(tx: Transaction<Tables>, change: RunChange): Promise<void> {
  const { runId, events } = change;
  const first = events[0];
  const last = events.at(-1);
  if (first === undefined || last === undefined)
    throw new FedrotError('internal', `a change of run ${runId} without an event`);
  const snapshot =
    change.snapshot === undefined
      ? {}
      : { snapshot_json: JSON.stringify(change.snapshot), snapshot_seq: last.seq };
  const moved = await tx
    .updateTable('runs')
    .set({ last_seq: last.seq, ...snapshot })
    .where('run_id', '=', runId)
    .where('last_seq', '=', first.seq - 1)
    .executeTakeFirst();
  if (moved.numUpdatedRows !== 1n)
    throw new FedrotError('internal', `event ${first.seq} does not follow the last one of run ${runId}`);
  for (const { seq, event } of events)
    await tx
      .insertInto('events')
      .values({ run_id: runId, seq, at_ms: event.at, event_json: JSON.stringify(event) })
      .execute();
  await insertRecords(tx, change);
}
