import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { formatBytes, formatDuration, formatNumber, formatPercent, formatTime } from '../format.js';
import { formatTable, type Column } from '../table.js';
import { accuracyOf, lossOf, stateOf, viewRounds, type RoundView } from './run-view.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A run for machines: what the coordinator knows, with hashes as hex and the specification as an object. */
export function runRow(run: Run): Record<string, unknown> {
  return {
    run: run.runId,
    name: run.name,
    state: stateOf(run),
    reason: run.reason,
    phase: run.phase,
    round: run.round,
    total_rounds: run.totalRounds,
    created_ms: run.createdMs,
    deadline_ms: run.deadlineMs,
    initial_accuracy: accuracyOf(run, 0),
    initial_loss: lossOf(run, 0),
    rounds: run.rounds.map((record, index) => ({
      ...snakeCase(viewRounds(run)[index]),
      adapter: record.adapter && { version: record.adapter.version, sha256: hex(record.adapter.sha256) },
      silos: record.updates.map((update) => ({ ...update, sha256: hex(update.sha256) })),
      failures: record.failures,
    })),
    silos: run.silos,
    spec: run.specJson === '' ? null : (JSON.parse(run.specJson) as unknown),
  };
}

function snakeCase(view: RoundView | undefined): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(view ?? {}).map(([key, value]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      value as unknown,
    ]),
  );
}

const latestAccuracy = (run: Run): number | null =>
  run.rounds.reduce<number | null>(
    (latest, record) => accuracyOf(run, record.adapter?.version ?? record.round) ?? latest,
    accuracyOf(run, 0),
  );

export const RUN_COLUMNS: readonly Column<Run>[] = [
  { title: 'RUN', value: (run) => run.runId },
  { title: 'STATE', value: stateOf },
  { title: 'ROUND', value: (run) => `${run.round}/${run.totalRounds}`, align: 'right' },
  { title: 'ACCURACY', value: (run) => formatPercent(latestAccuracy(run)), align: 'right' },
  { title: 'CREATED', value: (run) => formatTime(run.createdMs) },
  { title: 'REASON', value: (run) => run.reason },
];

export const ROUND_COLUMNS: readonly Column<RoundView>[] = [
  { title: 'ROUND', value: ({ round }) => round },
  { title: 'ACCURACY', value: ({ accuracy }) => formatPercent(accuracy), align: 'right' },
  { title: 'WORST SILO', value: ({ worstAccuracy }) => formatPercent(worstAccuracy), align: 'right' },
  { title: 'LOSS', value: ({ loss }) => formatNumber(loss), align: 'right' },
  { title: 'TRAIN LOSS', value: ({ trainLoss }) => formatNumber(trainLoss), align: 'right' },
  { title: 'UPDATES', value: ({ updates }) => updates },
  { title: 'RECEIVED', value: ({ bytesReceived }) => formatBytes(bytesReceived), align: 'right' },
  { title: 'ERROR', value: ({ aggregationError }) => formatNumber(aggregationError), align: 'right' },
  {
    title: 'PLAIN AVERAGING',
    value: ({ aggregationErrorFedit }) => formatNumber(aggregationErrorFedit),
    align: 'right',
  },
  { title: 'TIME', value: ({ seconds }) => formatDuration(1000 * seconds), align: 'right' },
];

const SILO_COLUMNS: readonly Column<Run['silos'][number]>[] = [
  { title: 'SILO', value: ({ silo }) => silo },
  { title: 'STATE', value: ({ state }) => state },
  { title: 'STEP', value: ({ step, totalSteps }) => `${step}/${totalSteps}`, align: 'right' },
  { title: 'LOSS', value: ({ loss }) => formatNumber(loss), align: 'right' },
  { title: 'MESSAGE', value: ({ message }) => message },
];

/** A run for people: its state, its rounds, and who works on the current one. */
export function describeRun(run: Run): string {
  const reason = run.reason === '' ? '' : `: ${run.reason}`;
  const head = [
    `${run.runId}: ${stateOf(run)}${reason}`,
    `round ${run.round} of ${run.totalRounds}${run.phase === '' ? '' : `, ${run.phase}`}; created ${formatTime(run.createdMs)}`,
  ];
  const silos = run.silos.length === 0 ? '' : `\n${formatTable(run.silos, SILO_COLUMNS, '')}`;
  return `${head.join('\n')}\n\n${formatTable(viewRounds(run), ROUND_COLUMNS, 'no finished rounds yet')}${silos}`;
}
