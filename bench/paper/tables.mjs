import {
  summaryColumns,
  summaryRows,
  differenceText,
  shareText,
} from '../../dist/cli/simulate/summary-table.js';
import { formatNumber } from '../../dist/cli/format.js';

/** Tables of docs/results.md, as Markdown, of summaries by study (src/sim/summary.ts). */

const escaped = (text) => text.replaceAll('|', '\\|').replaceAll('*', '\\*');

export function markdownTable(columns, rows) {
  const line = (cells) => `| ${cells.map((cell) => escaped(String(cell))).join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

const NONE = 'Not run.';

/** Everything that a study measured. */
export function wholeTable({ settings }) {
  return settings.length === 0
    ? NONE
    : markdownTable(summaryColumns('fedit', settings), summaryRows(settings));
}

/** Methods in rows, settings in columns: final accuracy. */
export function accuracyTable({ settings }, columnOf, title) {
  if (settings.length === 0) return NONE;
  const methods = [...new Set(settings.flatMap((setting) => setting.methods.map(({ method }) => method)))];
  const cell = (setting, name) => shareText(setting.methods.find(({ method }) => method === name)?.final);
  return markdownTable(
    [title, ...settings.map((setting) => columnOf(setting.trial))],
    methods.map((name) => [name, ...settings.map((setting) => cell(setting, name))]),
  );
}

/** Squared aggregation errors, relative to the exact mean: of each method's own updates. */
export function errorTable({ settings }, columnOf) {
  const rows = settings.flatMap((setting) =>
    setting.methods
      .filter(({ squaredError }) => squaredError !== undefined)
      .map(({ method, squaredError, squaredErrorFedit, squaredErrorBound }) => [
        columnOf(setting.trial),
        method,
        formatNumber(squaredError.mean, 3),
        formatNumber(squaredErrorFedit.mean, 3),
        formatNumber(squaredErrorBound.mean, 3),
        formatNumber(squaredError.mean / squaredErrorFedit.mean, 2),
      ]),
  );
  return rows.length === 0
    ? NONE
    : markdownTable(
        [
          'setting',
          'method',
          'squared error',
          'plain averaging of the same updates',
          'rank-r bound',
          'ratio',
        ],
        rows,
      );
}

/** What a method gains over plain averaging in every setting, with the error that it saves. */
export function gainTable(studies) {
  const rows = studies.flatMap(({ settings }) =>
    settings.flatMap(({ trial, methods }) =>
      methods
        .filter(({ method }) => method !== 'fedit')
        .map((one) => [
          `${trial.optimizer.kind} ${trial.optimizer.learningRate}`,
          trial.localSteps,
          trial.rounds,
          trial.start,
          one.method,
          differenceText(one.firstDifference),
          differenceText(one.finalDifference),
          formatNumber(one.squaredErrorFedit?.mean, 2),
          formatNumber(one.squaredError?.mean, 2),
          formatNumber(one.squaredErrorBound?.mean, 2),
        ]),
    ),
  );
  return rows.length === 0
    ? NONE
    : markdownTable(
        [
          'optimizer',
          'local steps',
          'rounds',
          'start',
          'method',
          'after round 1, points',
          'final, points',
          'squared error, plain',
          'squared error',
          'bound',
        ],
        rows,
      );
}
