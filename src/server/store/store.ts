import type { TokenRecord } from '../../pki/enrolment-token.js';
import type { RunSpec } from '../../run-spec.js';
import type { RunEvent } from '../round/events.js';
import type { LogKind, LogLevel } from '../round/narrate.js';
import type { Rollback, RunState } from '../round/state.js';
import type { HttpTokenRecord } from '../../pki/http-token.js';

/**
 * What the coordinator remembers. One implementation per kind of database; all pass one contract suite
 * (test/server/store/contract.ts). Every method either takes effect as a whole and durably, or throws storage_full,
 * storage_failed or storage_corrupt and takes none. Hashes are hex; times are ms since the Unix epoch.
 */
export interface Store {
  /** The run with its version 0, in one transaction. Throws already_exists. */
  createRun(run: NewRun): Promise<void>;
  /** Every run, in order of creation. */
  runs(): Promise<readonly StoredRun[]>;
  /** What a batch of events has brought about, in one transaction. `seq` must follow the last one of the run (internal). */
  commit(change: RunChange): Promise<void>;
  /** What the diagnosis of a round came to, with what the run's log says of it, in one transaction. */
  saveDiagnosis(runId: string, diagnosis: DiagnosisRecord): Promise<void>;
  /** Rounds that are published and not diagnosed yet, in order. */
  undiagnosed(runId: string): Promise<readonly number[]>;
  /** SHA-256 of the updates that diagnoses still need. */
  undiagnosedFiles(): Promise<ReadonlySet<string>>;

  /** Every version, in order. */
  adapters(runId: string): Promise<readonly AdapterRecord[]>;
  /** The update for that round's task, counted or not. */
  update(runId: string, round: number, silo: string): Promise<UpdateRecord | undefined>;
  /** The silo's update that a round counts, whatever round its task was of. */
  countedUpdate(runId: string, round: number, silo: string): Promise<UpdateRecord | undefined>;
  /** What was said of one version, in order of the silos' names. */
  evaluations(runId: string, version: number): Promise<readonly EvaluationRecord[]>;
  /** Finished rounds, their counted updates, failures and evaluations, each in order. */
  history(runId: string): Promise<RunHistory>;

  /** What happened in a run, in words: entries after `afterSeq` of at least that level, in order, at most `limit`. */
  log(runId: string, query: LogQuery): Promise<readonly RunLogEntry[]>;

  /** Rounds after `afterRound` in numbers, and evaluations that came after `afterMs`. */
  series(runId: string, after: { readonly afterRound: number; readonly afterMs: number }): Promise<RunSeries>;
  /** Who has contributed to the versions up to `version`: rounds, and examples in the last of them; in order of name. */
  contributions(runId: string, version: number): Promise<readonly Contribution[]>;
  /** One published round, whole. */
  round(runId: string, round: number): Promise<RoundHistory | undefined>;

  saveSilo(silo: SiloRecord): Promise<void>;
  /** In order of name. */
  silos(): Promise<readonly SiloSummary[]>;

  /** Failures of one round, in order. */
  failures(runId: string, round: number): Promise<readonly FailureRecord[]>;
  /** Updates of rounds that were published from `fromMs` on and before `toMs`, in order of that time. */
  publishedUpdates(fromMs: number, toMs: number): Promise<readonly StoredUpdate[]>;

  /** A token, new or changed. `unless` names a state of the stored record in which nothing is changed; resolves with whether it was. */
  saveToken(token: TokenRecord, unless?: 'used'): Promise<boolean>;
  /** In order of creation. */
  tokens(): Promise<readonly TokenRecord[]>;
  /** A token of the HTTP side, new or changed. */
  saveHttpToken(token: HttpTokenRecord): Promise<void>;
  httpTokens(): Promise<readonly HttpTokenRecord[]>;
  saveCertificate(certificate: IssuedRecord): Promise<void>;
  /** Serials of every certificate that the party (`silo:hospital-a`) was issued. */
  serials(party: string): Promise<readonly string[]>;

  /** SHA-256 of every published adapter, initial ones included, and of what was published with it. */
  adapterFiles(): Promise<ReadonlySet<string>>;
  /** SHA-256 of every tensor file that a record names: whatever else lies in the spool may go. */
  referencedFiles(): Promise<ReadonlySet<string>>;
  /** Throws storage_failed or storage_corrupt where the database cannot be read. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export interface NewRun {
  readonly runId: string;
  readonly spec: RunSpec;
  readonly createdMs: number;
  readonly state: RunState;
  readonly initial: AdapterFile;
}

export interface AdapterFile {
  readonly sha256: string;
  /** Of the canonical safetensors file. */
  readonly bytes: number;
}

export interface StoredRun {
  readonly runId: string;
  readonly spec: RunSpec;
  readonly createdMs: number;
  /** The newest snapshot, and the events that came after it, in order. */
  readonly snapshot: RunState;
  readonly events: readonly RunEvent[];
  /** Number of the last event; 0 before the first. */
  readonly seq: number;
  /** Number of the last entry of its log; 0 before the first. */
  readonly logSeq: number;
}

export interface RunChange {
  readonly runId: string;
  /** Consecutive numbers. */
  readonly events: readonly NumberedEvent[];
  /** The state after the last of these events, where it is time to keep it. */
  readonly snapshot?: RunState;
  readonly updates?: readonly UpdateRecord[];
  readonly failures?: readonly FailureRecord[];
  /** Consecutive numbers. */
  readonly log?: readonly RunLogEntry[];
  /** A round whose updates so far will not count; nor will those for later ones. */
  readonly calledOff?: number;
  readonly evaluations?: readonly EvaluationRecord[];
  /** The round that these events published. */
  readonly published?: PublishedRound;
}

export interface NumberedEvent {
  readonly seq: number;
  readonly event: RunEvent;
}

export interface AdapterRecord extends AdapterFile, VersionFiles {
  readonly version: number;
  readonly createdMs: number;
}

/** What some methods publish beside the adapter (docs/methods.md). */
export interface VersionFiles {
  /** What silos add to their base weights. */
  readonly merge?: AdapterFile;
  /** What the next round's aggregation needs again; never leaves the coordinator but for an audit. */
  readonly state?: AdapterFile;
}

export interface UpdateRecord {
  /** Of the task that it answers. */
  readonly round: number;
  /** The round whose version it went into, or will; null where that round was called off. */
  readonly countedIn: number | null;
  readonly silo: string;
  readonly taskId: string;
  /** The version that training began from: countedIn − 1 − baseVersion is how many versions old the update was. */
  readonly baseVersion: number;
  readonly sha256: string;
  readonly examples: number;
  /** Of the payload. */
  readonly bytes: number;
  readonly loss: number;
  readonly steps: number;
  readonly seconds: number;
  readonly tokens: number;
  readonly receivedMs: number;
}

/** One line of a run's log. */
export interface RunLogEntry {
  /** From 1, without gaps within a run. */
  readonly seq: number;
  readonly atMs: number;
  readonly level: LogLevel;
  readonly kind: LogKind;
  /** 0 where it is about none. */
  readonly round: number;
  readonly silo: string;
  /** Of src/errors.ts, where something failed; else empty. */
  readonly code: string;
  readonly message: string;
}

export interface LogQuery {
  readonly afterSeq: number;
  readonly limit: number;
  readonly levels: readonly LogLevel[];
}

export interface FailureRecord {
  readonly round: number;
  readonly silo: string;
  readonly taskId: string;
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

export interface EvaluationRecord {
  readonly silo: string;
  readonly version: number;
  readonly examples: number;
  readonly loss: number;
  /** 0 to 1; null where the task has none. */
  readonly accuracy: number | null;
  readonly metrics: Readonly<Record<string, number>>;
  readonly receivedMs: number;
}

export interface PublishedRound extends VersionFiles {
  readonly round: number;
  readonly startedMs: number;
  readonly publishedMs: number;
  readonly diagnosis: DiagnosisState;
  /** RoundDiagnostics of src/align/types.ts; empty unless the diagnosis is done. */
  readonly diagnosticsJson: string;
  /** Where an old version was published again: no updates, no diagnostics. */
  readonly rollback?: Rollback;
  readonly adapter: AdapterFile;
}

/** What is known of a round's diagnostics: not yet; known; never, because measuring failed; never, because nothing was combined. */
export type DiagnosisState = 'pending' | 'done' | 'failed' | 'none';

export interface DiagnosisRecord {
  readonly round: number;
  readonly diagnosis: 'done' | 'failed';
  readonly diagnosticsJson: string;
  readonly log: readonly RunLogEntry[];
}

/** An update and the run that it belongs to. */
export interface StoredUpdate {
  readonly runId: string;
  readonly round: number;
  readonly silo: string;
  readonly sha256: string;
}

/** A certificate that the authority made. */
export interface IssuedRecord {
  readonly serial: string;
  /** As identityKey writes it. */
  readonly party: string;
  readonly issuedMs: number;
  readonly notAfterMs: number;
}

export interface RunHistory {
  readonly rounds: readonly PublishedRound[];
  readonly updates: readonly UpdateRecord[];
  readonly failures: readonly FailureRecord[];
  readonly evaluations: readonly EvaluationRecord[];
}

/** One published round, with what is counted instead of listed. */
export interface RoundTotals extends Omit<PublishedRound, 'adapter'> {
  readonly updates: number;
  readonly examples: number;
  /** Payload of the updates. */
  readonly bytes: number;
  /** Mean of the silos' losses by examples; null where none said one. */
  readonly trainLoss: number | null;
  readonly failures: number;
}

export interface Contribution {
  readonly silo: string;
  readonly rounds: number;
  readonly examples: number;
}

export interface RunSeries {
  readonly rounds: readonly RoundTotals[];
  readonly evaluations: readonly EvaluationRecord[];
}

export interface RoundHistory {
  readonly totals: RoundTotals;
  readonly updates: readonly UpdateRecord[];
  readonly failures: readonly FailureRecord[];
}

export interface SiloRecord {
  readonly silo: string;
  readonly role: 'trainer' | 'evaluator';
  readonly sessionId: string;
  readonly softwareVersion: string;
  readonly protocol: number;
  readonly examples: number;
  readonly labels: readonly string[];
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
}

export interface SiloSummary extends SiloRecord {
  readonly updatesAccepted: number;
  readonly failures: number;
}
