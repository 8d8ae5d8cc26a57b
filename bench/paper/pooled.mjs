import { statistic } from '../../dist/sim/statistics.js';
import { markdownTable } from './tables.mjs';

/** All pairs of trials that differ in their method only, over all studies: what single settings of three seeds are too few to tell. */

const lastAccuracy = ({ versions }) => versions.findLast(({ accuracy }) => accuracy !== null)?.accuracy;

/** What pairs have in common, and with a seed less what a setting is. */
const pairKey = ({ method, options, methodName, ...rest }) => JSON.stringify(rest);
const settingKey = ({ seed, ...trial }) => pairKey(trial);

/** Final accuracy minus plain averaging's, in points, by setting. */
function differences(results, methodName) {
  const plain = new Map(
    results
      .filter(({ trial }) => trial.methodName === 'fedit')
      .map((result) => [pairKey(result.trial), lastAccuracy(result)]),
  );
  const settings = new Map();
  for (const result of results) {
    const [own, other] = [lastAccuracy(result), plain.get(pairKey(result.trial))];
    if (result.trial.methodName !== methodName || own === undefined || other === undefined) continue;
    const key = settingKey(result.trial);
    settings.set(key, [...(settings.get(key) ?? []), 100 * (own - other)]);
  }
  return [...settings.values()];
}

const signed = (value) => (value < 0 ? '−' : '+') + Math.abs(value).toFixed(2);

/** A row a method; trials with uploads turned at random are left out, and a trial of several studies counts once. */
export function pooledTable(studies) {
  const all = new Map(studies.flatMap(({ results }) => results.map((result) => [result.id, result])));
  const results = [...all.values()].filter(({ trial }) => !trial.scramble);
  const methods = [...new Set(results.map(({ trial }) => trial.methodName))].filter(
    (name) => name !== 'fedit',
  );
  const rows = methods.sort().flatMap((method) => {
    const settings = differences(results, method);
    const pairs = settings.flat();
    const { mean, std } = statistic(pairs) ?? {};
    if (pairs.length < 2) return [];
    const means = settings.map((values) => statistic(values).mean);
    return [
      [
        method,
        pairs.length,
        `${signed(mean)} ± ${(std / Math.sqrt(pairs.length)).toFixed(2)}`,
        settings.length,
        means.filter((value) => value >= -1).length,
        signed(Math.min(...means)),
        signed(Math.max(...means)),
      ],
    ];
  });
  return markdownTable(
    ['method', 'pairs', 'mean difference, points', 'settings', 'of them −1 or better', 'worst', 'best'],
    rows,
  );
}
