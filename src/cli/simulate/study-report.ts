import { GRID_AXES, varyingAxes, type GridAxis } from '../../sim/axes.js';
import type { TrialResult } from '../../sim/results.js';
import { statistic, type Statistic } from '../../sim/statistics.js';
import { summarize, type MethodSummary, type SettingSummary } from '../../sim/summary.js';
import { formatNumber, formatPercent } from '../format.js';
import type { Axis, LineChart, Series } from '../report/chart.js';
import { renderReport, type ReportTable } from '../report/page.js';
import { summaryColumns, summaryRows } from './summary-table.js';

export interface StudyReportParts {
  readonly name: string;
  readonly baseline: string;
  readonly results: readonly TrialResult[];
  /** Trials of the grid that have no result. */
  readonly missing: number;
  /** To do it again. */
  readonly command: string;
  /** `fedrot 0.1.0, Node 20…`. */
  readonly software: string;
  /** The study as it was given, as rows of key and value. */
  readonly settings: readonly (readonly [string, string])[];
}

/** Beyond so many settings, only the charts by axis are drawn: a page of hundreds tells nothing. */
const MOST_SETTINGS = 24;

const ROUND_AXIS: Axis = { label: 'round', format: String, integer: true };
const ACCURACY_AXIS: Axis = {
  label: 'accuracy',
  format: formatPercent,
  tick: (value) => `${formatNumber(100 * value, 2)} %`,
};
const ERROR_AXIS: Axis = { label: 'squared error', format: (value) => formatNumber(value, 2), min: 0 };

/** Mean and, where there are several seeds, one standard deviation to either side. */
function curve(name: string, points: readonly { readonly x: number; readonly value: Statistic }[]): Series {
  const several = points.some(({ value }) => value.n > 1);
  return {
    name,
    points: points.map(({ x, value }) => ({ x, y: value.mean })),
    ...(several && {
      band: points.map(({ x, value: { mean, std } }) => ({ x, low: mean - std, high: mean + std })),
    }),
  };
}

const byVersion = (
  name: string,
  method: MethodSummary,
  measure: Parameters<MethodSummary['curve']>[0],
): Series =>
  curve(
    name,
    method.curve(measure).map(({ version, value }) => ({ x: version, value })),
  );

const titled = (what: string, label: string): string => (label === '' ? what : `${what}: ${label}`);

function accuracyChart({ label, methods }: SettingSummary): LineChart {
  return {
    title: titled('Accuracy', label),
    note: 'On the test set; the band is one standard deviation over the seeds.',
    x: { ...ROUND_AXIS, min: 0 },
    y: ACCURACY_AXIS,
    series: methods.map((method) => byVersion(method.method, method, 'accuracy')),
  };
}

/** Every method on its own updates; plain averaging and the bound are those of the first method that is not the baseline. */
function errorChart({ label, methods }: SettingSummary, baseline: string): LineChart {
  const compared = methods.find(({ method }) => method !== baseline) ?? methods[0];
  const references: Series[] =
    compared === undefined
      ? []
      : [
          {
            ...byVersion(`plain averaging of ${compared.method}’s updates`, compared, 'squaredErrorFedit'),
            role: 'reference',
          },
          { ...byVersion('rank-r bound', compared, 'squaredErrorBound'), role: 'reference' },
        ];
  return {
    title: titled('Aggregation error', label),
    note: '‖B̃Ã − ΔW*‖² / ‖ΔW*‖²: what a round loses of the exact mean of its updates.',
    x: ROUND_AXIS,
    y: ERROR_AXIS,
    series: [...methods.map((method) => byVersion(method.method, method, 'squaredError')), ...references],
  };
}

/** Final accuracy by an axis with an order, the mean over all else. */
function axisChart(axis: GridAxis, results: readonly TrialResult[]): LineChart[] {
  const of = (result: TrialResult): number | null => axis.value?.(result.trial) ?? null;
  const values = [...new Set(results.flatMap((result) => of(result) ?? []))].sort((a, b) => a - b);
  if (values.length < 2) return [];
  const methods = [...new Set(results.map(({ trial }) => trial.methodName))];
  const final = (result: TrialResult): number | null =>
    result.versions.reduce<number | null>((value, { accuracy }) => accuracy ?? value, null);
  const label = axis.name === 'partition' ? 'Dirichlet α' : axis.name;
  const wide = (values.at(-1) ?? 1) / (values[0] ?? 1) > 8;
  return [
    {
      title: `Final accuracy by ${label}`,
      note: 'Mean over all other settings and seeds.',
      x: { label, format: String, ...(wide && { scale: 'log' }) },
      y: ACCURACY_AXIS,
      series: methods.map((method) => ({
        name: method,
        points: values.map((x) => ({
          x,
          y:
            statistic(results.filter((one) => one.trial.methodName === method && of(one) === x).map(final))
              ?.mean ?? null,
        })),
      })),
    },
  ];
}

/** report.html: charts and tables of a study, nothing loaded from elsewhere. */
export function studyReport(parts: StudyReportParts): string {
  const { results, baseline } = parts;
  const settings = summarize(results, baseline);
  const shown = settings.length > MOST_SETTINGS ? [] : settings;
  const axes = varyingAxes(results.map(({ trial }) => trial)).filter(({ name }) =>
    GRID_AXES.some((axis) => axis.name === name && axis.value !== undefined),
  );
  const failed = results.filter(({ outcome }) => outcome === 'failed').length;
  const seeds = new Set(results.map(({ trial }) => trial.seed)).size;
  const table: ReportTable = {
    title: 'Results',
    columns: summaryColumns(baseline, settings),
    rows: summaryRows(settings),
  };
  return renderReport({
    title: `fedrot simulate: ${parts.name}`,
    summary: `Compared with ${baseline}; mean ± one standard deviation over the seeds, differences by seed.`,
    facts: [
      { name: 'trials', value: String(results.length) },
      { name: 'not run', value: String(parts.missing) },
      { name: 'failed', value: String(failed) },
      { name: 'settings', value: String(settings.length) },
      { name: 'seeds', value: String(seeds) },
    ],
    charts: [
      ...axes.flatMap((axis) => axisChart(axis, results)),
      ...shown.flatMap((setting) => [accuracyChart(setting), errorChart(setting, baseline)]),
    ],
    tables: [table, { title: 'Study', columns: ['key', 'value'], rows: parts.settings }],
    footer: `${parts.software}. To repeat: ${parts.command}`,
  });
}
