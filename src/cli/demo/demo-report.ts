import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { formatBytes, formatDuration, formatNumber, formatPercent } from '../format.js';
import type { Axis, LineChart, Series } from '../report/chart.js';
import { renderReport } from '../report/page.js';
import { accuracyOf, lossOf, viewRounds, type RoundView } from '../run/run-view.js';
import type { DemoData } from './prepare.js';
import type { DemoSummary } from './summary.js';

export interface ReportParts {
  readonly run: Run;
  readonly summary: DemoSummary;
  readonly data: DemoData;
  readonly scrambled: boolean;
  /** How long the whole demo took. */
  readonly elapsedMs: number;
}

const ROUND_AXIS: Axis = { label: 'round', format: String, integer: true };

const byRound = (
  rounds: readonly RoundView[],
  value: (round: RoundView) => number | null,
): Series['points'] => rounds.map((round) => ({ x: round.round, y: value(round) }));

function accuracyChart({ run, data }: ReportParts, rounds: readonly RoundView[]): LineChart {
  const last = rounds.at(-1)?.round ?? 1;
  return {
    title: 'Accuracy',
    note: `On ${data.test} e-mails that no silo has; round 0 is before training.`,
    x: { ...ROUND_AXIS, min: 0 },
    y: { label: 'accuracy', format: formatPercent, tick: (value) => `${Math.round(100 * value)} %`, max: 1 },
    series: [
      {
        name: 'global adapter',
        points: [{ x: 0, y: accuracyOf(run, 0) }, ...byRound(rounds, ({ accuracy }) => accuracy)],
      },
      {
        name: 'always the majority class',
        role: 'reference',
        points: [0, last].map((x) => ({ x, y: data.majority })),
      },
    ],
  };
}

function lossChart({ run }: ReportParts, rounds: readonly RoundView[]): LineChart {
  return {
    title: 'Loss',
    note: 'Cross-entropy in nats: on the held-out e-mails, and while the silos train.',
    x: { ...ROUND_AXIS, min: 0 },
    y: { label: 'loss', format: (value) => formatNumber(value, 2), min: 0 },
    series: [
      { name: 'held-out', points: [{ x: 0, y: lossOf(run, 0) }, ...byRound(rounds, ({ loss }) => loss)] },
      { name: 'training', role: 'reference', points: byRound(rounds, ({ trainLoss }) => trainLoss) },
    ],
  };
}

function errorChart({ summary }: ReportParts, rounds: readonly RoundView[]): LineChart {
  const plain: Series = {
    name: 'plain averaging',
    role: summary.method === 'fedit' ? 'main' : 'reference',
    points: byRound(rounds, ({ aggregationErrorFedit }) => aggregationErrorFedit),
  };
  const bound: Series = {
    name: 'least that this rank allows',
    role: 'reference',
    points: byRound(rounds, ({ aggregationErrorBound }) => aggregationErrorBound),
  };
  const method: Series = {
    name: summary.method,
    points: byRound(rounds, ({ aggregationError }) => aggregationError),
  };
  return {
    title: 'Aggregation error',
    note: 'Distance of the averaged factors’ product from the exact mean of the silos’ products, relative to its size.',
    x: ROUND_AXIS,
    y: { label: 'error', format: (value) => formatNumber(value, 2), min: 0 },
    series: summary.method === 'fedit' ? [plain, bound] : [method, plain, bound],
  };
}

/** report.html. */
export function demoReport(parts: ReportParts): string {
  const { run, summary, data, scrambled, elapsedMs } = parts;
  const rounds = viewRounds(run);
  const received = rounds.reduce((sum, { bytesReceived }) => sum + bytesReceived, 0);
  return renderReport({
    title: `fedrot demo: one spam filter from ${data.silos.length} silos’ e-mails`,
    summary: `${summary.method}, LoRA r = ${summary.rank}, seed ${summary.seed}${scrambled ? ', every upload in a random basis' : ''}; run ${summary.run}.`,
    facts: [
      { name: 'accuracy', value: formatPercent(summary.final_accuracy) },
      { name: 'before training', value: formatPercent(summary.initial_accuracy) },
      { name: 'majority class', value: formatPercent(data.majority) },
      { name: 'rounds', value: String(rounds.length) },
      { name: 'received from silos', value: formatBytes(received) },
      { name: 'time', value: formatDuration(elapsedMs) },
    ],
    charts: [accuracyChart(parts, rounds), lossChart(parts, rounds), errorChart(parts, rounds)],
    tables: [
      {
        title: 'Rounds',
        columns: ['round', 'accuracy', 'loss', 'updates', 'received', 'error', 'plain averaging', 'time'],
        rows: rounds.map((view) => [
          String(view.round),
          formatPercent(view.accuracy),
          formatNumber(view.loss),
          String(view.updates),
          formatBytes(view.bytesReceived),
          formatNumber(view.aggregationError),
          formatNumber(view.aggregationErrorFedit),
          formatDuration(1000 * view.seconds),
        ]),
      },
      {
        title: 'Silos',
        columns: ['silo', 'e-mails', 'spam'],
        rows: data.silos.map(({ name, examples, spam }) => [
          name,
          String(examples),
          formatPercent(spam / examples),
        ]),
      },
    ],
    footer: `Base model ${summary.base_model_sha256}; adapter ${summary.adapter_sha256} (SHA-256).`,
  });
}
