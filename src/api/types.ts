/**
 * What the coordinator's HTTP API answers (docs/http-api.md): both ends import these types. Times are milliseconds since the
 * Unix epoch, sizes bytes, losses nats, accuracies and errors ratios; a number that is not known is null.
 */

import type { RunSeries } from './rounds.js';

export type Role = 'viewer' | 'operator' | 'admin';

export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

/** Who asks, and whom. */
export interface Session {
  /** False: POST /api/v1/session with a token first. */
  readonly signedIn: boolean;
  readonly name: string | null;
  readonly role: Role | null;
  /** Whether a token was shown; without one everybody at this address has that role. */
  readonly byToken: boolean;
  readonly coordinator: string;
  readonly software: string;
  readonly security: 'plaintext' | 'tls' | 'balancer';
  readonly grpcPort: number;
  /** SHA-256 of the authority's certificate: what silos compare when they enrol. */
  readonly fingerprint: string;
  readonly nowMs: number;
}

export type RunState = 'waiting' | 'running' | 'paused' | 'finished' | 'stopped' | 'failed';
export type Phase = 'waiting' | 'collecting' | 'aggregating' | 'evaluating' | 'done';

/** How far the silos of the round are. */
export interface TaskCounts {
  readonly done: number;
  readonly working: number;
  readonly failed: number;
  readonly late: number;
}

export interface RunSummary {
  readonly id: string;
  readonly name: string;
  readonly state: RunState;
  /** No new round is begun, though one may still be under way. */
  readonly paused: boolean;
  readonly phase: Phase;
  /** Why it waits, was stopped or failed. */
  readonly reason: string;
  /** From 1; 0 before the first. */
  readonly round: number;
  readonly rounds: number;
  readonly attempt: number;
  /** Newest published version. */
  readonly version: number;
  readonly createdMs: number;
  /** When the round began; 0 before the first. */
  readonly startedMs: number;
  /** When the phase ends by itself; 0: never. */
  readonly dueMs: number;
  readonly minSilos: number;
  readonly tasks: TaskCounts;
  readonly method: string;
  readonly task: string;
  readonly bundle: string;
}

export interface RunDetail {
  readonly summary: RunSummary;
  /** The specification with every default filled in (docs/run-spec.md). */
  readonly spec: Readonly<Record<string, unknown>>;
  readonly tasks: readonly SiloTask[];
}

export type TaskStateName = 'assigned' | 'training' | 'uploading' | 'done' | 'failed' | 'late';

/** One silo in the round that is open. */
export interface SiloTask {
  readonly silo: string;
  readonly state: TaskStateName;
  readonly step: number;
  readonly totalSteps: number;
  readonly loss: number | null;
  readonly message: string;
}

export interface AdapterVersion {
  readonly version: number;
  readonly sha256: string;
  readonly bytes: number;
  readonly createdMs: number;
}

/** How one module's update B · A differs between two versions. */
export interface ModuleChange {
  readonly module: string;
  /** ‖ΔW‖_F of either, ΔW = scale · B · A; of a module trained in full, its values. */
  readonly normFrom: number;
  readonly normTo: number;
  /** ‖ΔW_to − ΔW_from‖_F. */
  readonly distance: number;
  /** Cosine between the two; null where one is zero. */
  readonly cosine: number | null;
}

export interface AdapterComparison {
  readonly from: AdapterVersion;
  readonly to: AdapterVersion;
  readonly modules: readonly ModuleChange[];
  /** Over all modules. */
  readonly total: Omit<ModuleChange, 'module'>;
}

export interface RunLogEntry {
  readonly seq: number;
  readonly atMs: number;
  readonly level: 'info' | 'warn' | 'error';
  readonly kind: string;
  readonly round: number;
  readonly silo: string;
  readonly code: string;
  readonly message: string;
}

export interface RunLog {
  readonly events: readonly RunLogEntry[];
  readonly more: boolean;
}

export interface SiloView {
  readonly silo: string;
  readonly role: 'trainer' | 'evaluator';
  readonly connected: boolean;
  /** Put out: everything it sends is refused. */
  readonly revoked: boolean;
  readonly firstSeenMs: number;
  readonly lastSeenMs: number;
  readonly examples: number;
  readonly labels: readonly string[];
  readonly softwareVersion: string;
  readonly updatesAccepted: number;
  readonly failures: number;
}

/** An aggregation method (docs/methods.md) and the paper it comes from. */
export interface MethodView {
  readonly name: string;
  readonly source: string;
}

/** What the operator has to know of a bundle to start a run with it. */
export interface BundleView {
  readonly sha256: string;
  readonly bytes: number;
  readonly complete: boolean;
  /** Null where its manifest is not one that this version reads. */
  readonly model: BundleModel | null;
}

export interface BundleModel {
  readonly name: string | null;
  readonly architecture: string;
  readonly task: string;
  readonly labels: readonly string[];
  readonly maxTokens: number;
  /** What a new head reads: the mean of all tokens' vectors, or what the architecture's own head reads (null). */
  readonly pooling: 'mean' | null;
  readonly quantizedBits: number | null;
  /** Ends of the names of modules that LoRA can adapt, such as `query`, and how many modules each means. */
  readonly targets: readonly { readonly name: string; readonly modules: number }[];
  /** Modules that can be trained in full; the task's head among them. */
  readonly head: readonly string[];
}

/** A run's specification, looked at before it is created. */
export interface RunCheck {
  readonly issues: readonly { readonly path: string; readonly message: string }[];
  readonly spec: Readonly<Record<string, unknown>> | null;
  readonly estimate: RunEstimate | null;
  readonly warnings: readonly string[];
}

export interface RunEstimate {
  readonly modules: number;
  readonly parameters: number;
  readonly adapterBytes: number;
  /** Of one silo in one round. */
  readonly uploadBytes: number;
  readonly downloadBytes: number;
}

export interface TokenView {
  readonly id: string;
  readonly kind: string;
  readonly name: string;
  readonly role: string;
  readonly state: string;
  readonly createdBy: string;
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly usedMs: number;
}

/** The only time that the token is shown. */
export interface CreatedToken {
  readonly token: string;
  readonly fingerprint: string;
  /** host:port at which silos reach the coordinator; empty where it was not told (security.hosts). */
  readonly address: string;
  readonly record: TokenView;
}

/**
 * Events of GET /api/v1/stream. What is sent is what changed since the last one on this connection; the first of each is all.
 * `run`, `tasks` and `series` only where the address names a run.
 */
export interface StreamEvents {
  readonly hello: { readonly nowMs: number; readonly software: string; readonly instance: string };
  readonly runs: readonly RunSummary[];
  readonly silos: {
    readonly connected: number;
    /** Of those connected. */
    readonly trainers: number;
    readonly known: number;
    readonly revision: number;
  };
  readonly tasks: {
    readonly run: string;
    readonly round: number;
    readonly changed: readonly SiloTask[];
    readonly whole: boolean;
  };
  readonly series: RunSeries & { readonly run: string; readonly whole: boolean };
  readonly log: { readonly run: string; readonly lastSeq: number };
}
