import { sql, type Kysely, type Transaction } from 'kysely';
import { FedrotError } from '../../errors.js';
import type { TokenRecord } from '../../pki/enrolment-token.js';
import type { HttpTokenRecord } from '../../pki/http-token.js';
import { parseRunSpec } from '../../run-spec.js';
import type { RunEvent } from '../round/events.js';
import { upgradeState, type UpgradableState } from '../round/upgrade-state.js';
import { insertRecords } from './insert-records.js';
import {
  readHttpTokens,
  readSerials,
  readTokens,
  writeCertificate,
  writeHttpToken,
  writeToken,
} from './access-rows.js';
import { queryHistory, queryPublishedUpdates, versionFiles } from './query-history.js';
import { lastLogSeq, readLog } from './run-log.js';
import { queryContributions, queryRound, querySeries } from './query-series.js';
import { adapterRecord, failureRecord, siloRecord, siloRow, updateRecord } from './rows.js';
import { storageError } from './storage-error.js';
import type {
  AdapterRecord,
  Contribution,
  FailureRecord,
  IssuedRecord,
  LogQuery,
  NewRun,
  RoundHistory,
  RunChange,
  RunHistory,
  RunLogEntry,
  RunSeries,
  SiloRecord,
  SiloSummary,
  Store,
  StoredRun,
  StoredUpdate,
  UpdateRecord,
} from './store.js';
import type { Tables } from './tables.js';

/** The store on any database that Kysely speaks. */
export class KyselyStore implements Store {
  readonly #db: Kysely<Tables>;
  readonly #onClose: () => void;

  constructor(db: Kysely<Tables>, onClose: () => void = () => undefined) {
    this.#db = db;
    this.#onClose = onClose;
  }

  async createRun(run: NewRun): Promise<void> {
    const { runId, spec, createdMs, state, initial } = run;
    await this.#write(`storing run ${runId}`, async (tx) => {
      const known = await tx
        .selectFrom('runs')
        .select('run_id')
        .where('run_id', '=', runId)
        .executeTakeFirst();
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
    });
  }

  async runs(): Promise<readonly StoredRun[]> {
    return this.#read('reading the runs', async (db) => {
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
    });
  }

  async commit(change: RunChange): Promise<void> {
    const { runId, events } = change;
    const first = events[0];
    const last = events.at(-1);
    if (first === undefined || last === undefined)
      throw new FedrotError('internal', `a change of run ${runId} without an event`);
    await this.#write(`storing an event of run ${runId}`, async (tx) => {
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
    });
  }

  async adapters(runId: string): Promise<readonly AdapterRecord[]> {
    return this.#read('reading adapters', async (db) => {
      const rows = await db
        .selectFrom('adapters')
        .selectAll()
        .where('run_id', '=', runId)
        .orderBy('version')
        .execute();
      const files = await versionFiles(db, runId);
      return rows.map((row) => adapterRecord(row, files.get(row.version) ?? []));
    });
  }

  async adapter(runId: string, version: number): Promise<AdapterRecord | undefined> {
    return this.#read('reading an adapter', async (db) => {
      const row = await db
        .selectFrom('adapters')
        .selectAll()
        .where('run_id', '=', runId)
        .where('version', '=', version)
        .executeTakeFirst();
      return row && adapterRecord(row, (await versionFiles(db, runId)).get(version) ?? []);
    });
  }

  async update(runId: string, round: number, silo: string): Promise<UpdateRecord | undefined> {
    return this.#read('reading an update', async (db) => {
      const row = await db
        .selectFrom('updates')
        .selectAll()
        .where('run_id', '=', runId)
        .where('round', '=', round)
        .where('silo', '=', silo)
        .executeTakeFirst();
      return row && updateRecord(row);
    });
  }

  async history(runId: string): Promise<RunHistory> {
    return this.#read('reading the history of a run', (db) => queryHistory(db, runId));
  }

  async log(runId: string, query: LogQuery): Promise<readonly RunLogEntry[]> {
    return this.#read("reading a run's log", (db) => readLog(db, runId, query));
  }

  async series(
    runId: string,
    after: { readonly afterRound: number; readonly afterMs: number },
  ): Promise<RunSeries> {
    return this.#read('reading the rounds of a run', (db) => querySeries(db, runId, after));
  }

  async contributions(runId: string, version: number): Promise<readonly Contribution[]> {
    return this.#read('reading contributions', (db) => queryContributions(db, runId, version));
  }

  async round(runId: string, round: number): Promise<RoundHistory | undefined> {
    return this.#read('reading a round', (db) => queryRound(db, runId, round));
  }

  async saveSilo(silo: SiloRecord): Promise<void> {
    await this.#write(`storing silo ${silo.silo}`, async (tx) => {
      const { first_seen_ms: _kept, silo: _key, ...changes } = siloRow(silo);
      await tx
        .insertInto('silos')
        .values(siloRow(silo))
        .onConflict((conflict) => conflict.column('silo').doUpdateSet(changes))
        .execute();
    });
  }

  async silos(): Promise<readonly SiloSummary[]> {
    return this.#read('reading the silos', async (db) => {
      const rows = await db.selectFrom('silos').selectAll().orderBy('silo').execute();
      const updates = await countBySilo(db, 'updates');
      const failures = await countBySilo(db, 'failures');
      return rows.map((row) => ({
        ...siloRecord(row),
        updatesAccepted: updates.get(row.silo) ?? 0,
        failures: failures.get(row.silo) ?? 0,
      }));
    });
  }

  async failures(runId: string, round: number): Promise<readonly FailureRecord[]> {
    return this.#read('reading failures', async (db) =>
      (
        await db
          .selectFrom('failures')
          .selectAll()
          .where('run_id', '=', runId)
          .where('round', '=', round)
          .orderBy('id')
          .execute()
      ).map(failureRecord),
    );
  }

  async publishedUpdates(fromMs: number, toMs: number): Promise<readonly StoredUpdate[]> {
    return this.#read('reading updates', (db) => queryPublishedUpdates(db, fromMs, toMs));
  }

  async saveToken(token: TokenRecord, unless?: 'used'): Promise<boolean> {
    let saved = false;
    await this.#write('storing a token', async (tx) => {
      saved = await writeToken(tx, token, unless);
    });
    return saved;
  }

  async tokens(): Promise<readonly TokenRecord[]> {
    return this.#read('reading tokens', readTokens);
  }

  async saveHttpToken(token: HttpTokenRecord): Promise<void> {
    await this.#write('storing a token', (tx) => writeHttpToken(tx, token));
  }

  async httpTokens(): Promise<readonly HttpTokenRecord[]> {
    return this.#read('reading tokens', readHttpTokens);
  }

  async saveCertificate(certificate: IssuedRecord): Promise<void> {
    await this.#write('storing a certificate', (tx) => writeCertificate(tx, certificate));
  }

  async serials(party: string): Promise<readonly string[]> {
    return this.#read('reading certificates', (db) => readSerials(db, party));
  }

  async adapterFiles(): Promise<ReadonlySet<string>> {
    return this.#read('reading the names of adapters', async (db) => {
      const rows = await db
        .selectFrom('adapters')
        .select('sha256')
        .union(db.selectFrom('version_files').select('sha256'))
        .execute();
      return new Set(rows.map((row) => row.sha256));
    });
  }

  async referencedFiles(): Promise<ReadonlySet<string>> {
    return this.#read('reading the names of files', async (db) => {
      const rows = await db
        .selectFrom('adapters')
        .select('sha256')
        .union(db.selectFrom('updates').select('sha256'))
        .union(db.selectFrom('version_files').select('sha256'))
        .execute();
      return new Set(rows.map((row) => row.sha256));
    });
  }

  async check(): Promise<void> {
    await this.#read('checking the database', (db) => sql`SELECT count(*) FROM runs`.execute(db));
  }

  async close(): Promise<void> {
    await this.#db.destroy();
    this.#onClose();
  }

  async #read<T>(doing: string, query: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    try {
      return await query(this.#db);
    } catch (thrown) {
      throw storageError(thrown, doing);
    }
  }

  async #write(doing: string, queries: (tx: Transaction<Tables>) => Promise<void>): Promise<void> {
    try {
      await this.#db.transaction().execute(queries);
    } catch (thrown) {
      throw storageError(thrown, doing);
    }
  }
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
