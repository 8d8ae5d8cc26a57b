import type { Insertable, Selectable } from 'kysely';
import type { Rollback } from '../round/state.js';
import type {
  AdapterRecord,
  DiagnosisState,
  EvaluationRecord,
  FailureRecord,
  RunLogEntry,
  SiloRecord,
  UpdateRecord,
  VersionFiles,
} from './store.js';
import type { Tables } from './tables.js';

/** Records as rows and back. SQL has no NaN: a loss that is not a number is stored as null. */

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

export function updateRow(runId: string, record: UpdateRecord): Insertable<Tables['updates']> {
  const { round, silo, taskId, sha256, examples, bytes, loss, steps, seconds, tokens, receivedMs } = record;
  return {
    run_id: runId,
    round,
    silo,
    task_id: taskId,
    sha256,
    examples,
    bytes,
    loss: finite(loss),
    steps,
    seconds: finite(seconds) ?? 0,
    tokens,
    received_ms: receivedMs,
    counted_in: record.countedIn,
    base_version: record.baseVersion,
  };
}

export function updateRecord(row: Selectable<Tables['updates']>): UpdateRecord {
  const { round, silo, sha256, examples, bytes, steps, seconds, tokens } = row;
  return {
    round,
    silo,
    taskId: row.task_id,
    sha256,
    examples,
    bytes,
    loss: row.loss ?? NaN,
    steps,
    seconds,
    tokens,
    receivedMs: row.received_ms,
    countedIn: row.counted_in,
    baseVersion: row.base_version,
  };
}

export function logRow(runId: string, entry: RunLogEntry): Insertable<Tables['run_log']> {
  const { seq, atMs, level, kind, round, silo, code, message } = entry;
  return { run_id: runId, seq, at_ms: atMs, level, kind, round, silo, code, message };
}

/** Of this fedrot or a newer one that was here before: kinds are not checked. */
export function logEntry(row: Selectable<Tables['run_log']>): RunLogEntry {
  const { seq, round, silo, code, message } = row;
  const level = row.level as RunLogEntry['level'];
  return { seq, atMs: row.at_ms, level, kind: row.kind as RunLogEntry['kind'], round, silo, code, message };
}

export function failureRow(runId: string, record: FailureRecord): Insertable<Tables['failures']> {
  const { round, silo, taskId, code, message, atMs } = record;
  return { run_id: runId, round, silo, task_id: taskId, code, message, at_ms: atMs };
}

export function failureRecord(row: Selectable<Tables['failures']>): FailureRecord {
  const { round, silo, code, message } = row;
  return { round, silo, taskId: row.task_id, code, message, atMs: row.at_ms };
}

export function evaluationRow(runId: string, record: EvaluationRecord): Insertable<Tables['evaluations']> {
  const { silo, version, examples, loss, accuracy, metrics, receivedMs } = record;
  return {
    run_id: runId,
    silo,
    version,
    examples,
    loss: finite(loss),
    accuracy,
    metrics_json: JSON.stringify(metrics),
    received_ms: receivedMs,
  };
}

export function evaluationRecord(row: Selectable<Tables['evaluations']>): EvaluationRecord {
  const { silo, version, examples, accuracy } = row;
  return {
    silo,
    version,
    examples,
    loss: row.loss ?? NaN,
    accuracy,
    metrics: JSON.parse(row.metrics_json) as Record<string, number>,
    receivedMs: row.received_ms,
  };
}

const FILE_KINDS = ['merge', 'state'] as const;

export function versionFileRows(
  runId: string,
  version: number,
  files: VersionFiles,
): Insertable<Tables['version_files']>[] {
  return FILE_KINDS.flatMap((kind) => {
    const file = files[kind];
    return file ? [{ run_id: runId, version, kind, sha256: file.sha256, bytes: file.bytes }] : [];
  });
}

/** Of one version. */
export function filesOf(rows: readonly Selectable<Tables['version_files']>[]): VersionFiles {
  const found = rows.map(({ kind, sha256, bytes }) => [kind, { sha256, bytes }] as const);
  return Object.fromEntries(found);
}

export function adapterRecord(
  row: Selectable<Tables['adapters']>,
  files: readonly Selectable<Tables['version_files']>[],
): AdapterRecord {
  const { version, sha256, bytes } = row;
  return { version, sha256, bytes, createdMs: row.created_ms, ...filesOf(files) };
}

/** Where a round published an old version again. */
export function rollbackOf({ rollback_json: json }: Pick<Selectable<Tables['rounds']>, 'rollback_json'>): {
  readonly rollback?: Rollback;
} {
  return json === null ? {} : { rollback: JSON.parse(json) as Rollback };
}

export function diagnosisOf({ diagnosis }: Pick<Selectable<Tables['rounds']>, 'diagnosis'>): DiagnosisState {
  return diagnosis as DiagnosisState;
}

export function siloRow(record: SiloRecord): Insertable<Tables['silos']> {
  const { silo, role, sessionId, softwareVersion, protocol, examples, labels } = record;
  return {
    silo,
    role,
    session_id: sessionId,
    software_version: softwareVersion,
    protocol,
    examples,
    labels_json: JSON.stringify(labels),
    first_seen_ms: record.firstSeenMs,
    last_seen_ms: record.lastSeenMs,
  };
}

export function siloRecord(row: Selectable<Tables['silos']>): SiloRecord {
  const { silo, protocol, examples } = row;
  return {
    silo,
    role: row.role === 'evaluator' ? 'evaluator' : 'trainer',
    sessionId: row.session_id,
    softwareVersion: row.software_version,
    protocol,
    examples,
    labels: JSON.parse(row.labels_json) as string[],
    firstSeenMs: row.first_seen_ms,
    lastSeenMs: row.last_seen_ms,
  };
}
