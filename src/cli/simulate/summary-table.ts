import type { Statistic } from '../../sim/statistics.js';
import type { MethodSummary, SettingSummary } from '../../sim/summary.js';
import { formatNumber } from '../format.js';

const percent = (value: number): string => (100 * value).toFixed(1);

/** `61.2 ± 0.8`, in percent. */
export const shareText = (value: Statistic | undefined): string =>
  value === undefined ? '–' : `${percent(value.mean)}${value.n > 1 ? ` ± ${percent(value.std)}` : ''}`;

/** `+1.3 ± 0.4`, in percentage points. */
export const differenceText = (value: Statistic | undefined): string =>
  value === undefined
    ? '–'
    : `${value.mean < 0 ? '−' : '+'}${shareText({ ...value, mean: Math.abs(value.mean) })}`;

const errorText = (value: Statistic | undefined): string =>
  value === undefined ? '–' : formatNumber(value.mean, 2);

interface Cell {
  readonly title: (baseline: string) => string;
  readonly text: (setting: SettingSummary, method: MethodSummary) => string;
  /** Whether the column is worth its place; default always. */
  readonly shown?: (method: MethodSummary) => boolean;
}

const CELLS: readonly Cell[] = [
  { title: () => 'setting', text: ({ label }) => label || '–' },
  { title: () => 'method', text: (_, { method }) => method },
  {
    title: () => 'trials',
    text: (_, { trials, failed }) => (failed > 0 ? `${trials} (${failed} failed)` : String(trials)),
  },
  { title: () => 'round 1, %', text: (_, { first }) => shareText(first) },
  {
    title: (baseline) => `against ${baseline}`,
    text: (_, { firstDifference }) => differenceText(firstDifference),
  },
  { title: () => 'final, %', text: (_, { final }) => shareText(final) },
  {
    title: (baseline) => `against ${baseline}`,
    text: (_, { finalDifference }) => differenceText(finalDifference),
  },
  {
    title: () => 'worst silo, %',
    text: (_, { worstSilo }) => shareText(worstSilo),
    shown: ({ worstSilo }) => worstSilo !== undefined,
  },
  {
    title: () => 'spread of silos',
    text: (_, { spread }) => shareText(spread),
    shown: ({ spread }) => spread !== undefined,
  },
  { title: () => 'squared error', text: (_, { squaredError }) => errorText(squaredError) },
  { title: () => 'plain', text: (_, { squaredErrorFedit }) => errorText(squaredErrorFedit) },
  { title: () => 'bound', text: (_, { squaredErrorBound }) => errorText(squaredErrorBound) },
];

/** The columns that these results fill. */
const cellsOf = (settings: readonly SettingSummary[]): Cell[] =>
  CELLS.filter(({ shown }) => !shown || settings.some(({ methods }) => methods.some(shown)));

export const summaryColumns = (baseline: string, settings: readonly SettingSummary[]): string[] =>
  cellsOf(settings).map(({ title }) => title(baseline));

/** A row for every method in every setting; squared errors are means over the rounds after the first. */
export const summaryRows = (settings: readonly SettingSummary[]): string[][] =>
  settings.flatMap((setting) =>
    setting.methods.map((method) => cellsOf(settings).map(({ text }) => text(setting, method))),
  );
