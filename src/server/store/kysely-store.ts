import { sql, type Kysely, type Transaction } from 'kysely';
import type { TokenRecord } from '../../pki/enrolment-token.js';
import type { HttpTokenRecord } from '../../pki/http-token.js';
import {
  readHttpTokens,
  readSerials,
  readTokens,
  writeCertificate,
  writeHttpToken,
  writeToken,
} from './access-rows.js';
import { readAdapters, readPublishedFiles, readReferencedFiles } from './adapter-rows.js';
import { readUndiagnosed, readUndiagnosedFiles, writeDiagnosis } from './diagnosis-rows.js';
import { queryHistory, queryPublishedUpdates } from './query-history.js';
import { queryContributions, queryRound, querySeries } from './query-series.js';
import { evaluationRecord, failureRecord, updateRecord } from './rows.js';
import { readLog } from './run-log.js';
import { evaluationsOf, failuresOf, updatesOf } from './run-records.js';
import { readRuns, writeChange, writeRun } from './run-rows.js';
import { readSilos, writeSilo } from './silo-rows.js';
import { storageError } from './storage-error.js';
import type {
  AdapterRecord,
  Contribution,
  DiagnosisRecord,
  EvaluationRecord,
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
    await this.#write(`storing run ${run.runId}`, (tx) => writeRun(tx, run));
  }

  async runs(): Promise<readonly StoredRun[]> {
    return this.#read('reading the runs', readRuns);
  }

  async commit(change: RunChange): Promise<void> {
    await this.#write(`storing an event of run ${change.runId}`, (tx) => writeChange(tx, change));
  }

  async saveDiagnosis(runId: string, diagnosis: DiagnosisRecord): Promise<void> {
    await this.#write(`storing a diagnosis of run ${runId}`, (tx) => writeDiagnosis(tx, runId, diagnosis));
  }

  async undiagnosed(runId: string): Promise<readonly number[]> {
    return this.#read('reading what is to be diagnosed', (db) => readUndiagnosed(db, runId));
  }

  async undiagnosedFiles(): Promise<ReadonlySet<string>> {
    return this.#read('reading what is to be diagnosed', readUndiagnosedFiles);
  }

  async adapters(runId: string): Promise<readonly AdapterRecord[]> {
    return this.#read('reading adapters', (db) => readAdapters(db, runId));
  }

  async update(runId: string, round: number, silo: string): Promise<UpdateRecord | undefined> {
    return this.#read('reading an update', async (db) => {
      const row = await updatesOf(db, runId)
        .where('round', '=', round)
        .where('silo', '=', silo)
        .executeTakeFirst();
      return row && updateRecord(row);
    });
  }

  async countedUpdate(runId: string, round: number, silo: string): Promise<UpdateRecord | undefined> {
    return this.#read('reading an update', async (db) => {
      const row = await updatesOf(db, runId)
        .where('counted_in', '=', round)
        .where('silo', '=', silo)
        .executeTakeFirst();
      return row && updateRecord(row);
    });
  }

  async evaluations(runId: string, version: number): Promise<readonly EvaluationRecord[]> {
    return this.#read('reading evaluations', async (db) =>
      (await evaluationsOf(db, runId).where('version', '=', version).execute()).map(evaluationRecord),
    );
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
    await this.#write(`storing silo ${silo.silo}`, (tx) => writeSilo(tx, silo));
  }

  async silos(): Promise<readonly SiloSummary[]> {
    return this.#read('reading the silos', readSilos);
  }

  async failures(runId: string, round: number): Promise<readonly FailureRecord[]> {
    return this.#read('reading failures', async (db) =>
      (await failuresOf(db, runId).where('round', '=', round).execute()).map(failureRecord),
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
    return this.#read('reading the names of adapters', readPublishedFiles);
  }

  async referencedFiles(): Promise<ReadonlySet<string>> {
    return this.#read('reading the names of files', readReferencedFiles);
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
