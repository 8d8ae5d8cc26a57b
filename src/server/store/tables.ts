import type { Generated } from 'kysely';

/** The tables, as Kysely's types. Numbers are SQLite INTEGER or REAL; JSON is text. */
export interface Tables {
  runs: {
    run_id: string;
    created_seq: Generated<number>;
    created_ms: number;
    spec_json: string;
    snapshot_json: string;
    snapshot_seq: number;
    last_seq: number;
  };
  events: { run_id: string; seq: number; at_ms: number; event_json: string };
  adapters: { run_id: string; version: number; sha256: string; bytes: number; created_ms: number };
  version_files: { run_id: string; version: number; kind: string; sha256: string; bytes: number };
  rounds: {
    run_id: string;
    round: number;
    started_ms: number;
    published_ms: number;
    diagnostics_json: string;
    diagnosis: string;
    rollback_json: string | null;
  };
  updates: {
    run_id: string;
    round: number;
    silo: string;
    task_id: string;
    sha256: string;
    examples: number;
    bytes: number;
    loss: number | null;
    steps: number;
    seconds: number;
    tokens: number;
    received_ms: number;
    counted_in: number | null;
    base_version: number;
  };
  run_log: {
    run_id: string;
    seq: number;
    at_ms: number;
    level: string;
    kind: string;
    round: number;
    silo: string;
    code: string;
    message: string;
  };
  failures: {
    id: Generated<number>;
    run_id: string;
    round: number;
    silo: string;
    task_id: string;
    code: string;
    message: string;
    at_ms: number;
  };
  evaluations: {
    run_id: string;
    version: number;
    silo: string;
    examples: number;
    loss: number | null;
    accuracy: number | null;
    metrics_json: string;
    received_ms: number;
  };
  tokens: { id: string; created_ms: number; used: number; token_json: string };
  http_tokens: { id: string; created_ms: number; token_json: string };
  certificates: { serial: string; party: string; issued_ms: number; not_after_ms: number };
  silos: {
    silo: string;
    role: string;
    session_id: string;
    software_version: string;
    protocol: number;
    examples: number;
    labels_json: string;
    first_seen_ms: number;
    last_seen_ms: number;
  };
}
