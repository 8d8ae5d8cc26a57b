/**
 * npm run bench:paper:report -- [--out folder]
 *
 * Fills the tables of docs/results.md from the results that npm run bench:paper has left in --out (default .cache/bench-paper) and,
 * for trials that are not there, from those that the repository keeps; then keeps them all.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { expandGrid } from '../../dist/sim/grid.js';
import { readResults } from '../../dist/sim/results.js';
import { parseStudy } from '../../dist/sim/study.js';
import { summarize } from '../../dist/sim/summary.js';
import { studyInput } from './inputs.mjs';
import { readKept, writeKept } from './kept.mjs';
import { gainChart } from './map-chart.mjs';
import { pooledTable } from './pooled.mjs';
import { STUDIES } from './studies.mjs';
import { accuracyTable, errorTable, gainTable, markdownTable, wholeTable } from './tables.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: { out: { type: 'string', default: join(root, '.cache/bench-paper') } },
});

const REGION = /(<!-- results: (.+?) -->)[^]*?(<!-- end results -->)/g;

const kept = readKept();

/** Results of a study's grid as it is now, and how many trials it has. */
function load(entry) {
  const trials = expandGrid(parseStudy(studyInput(entry, 'shared'), entry.key));
  const wanted = new Set(trials.map((trial) => JSON.stringify(trial)));
  const all = [...(kept.get(entry.key) ?? []), ...readResults(join(values.out, entry.key, 'results.jsonl'))];
  const found = all.filter(({ trial }) => wanted.has(JSON.stringify(trial)));
  const results = [...new Map(found.map((result) => [result.id, result])).values()];
  return { entry, total: trials.length, results, settings: summarize(results, 'fedit') };
}

const loaded = new Map(STUDIES.map((entry) => [entry.key, load(entry)]));
const of = (key) => loaded.get(key);
const map = STUDIES.filter((entry) => entry.map).map(({ key }) => of(key));

const coverage = () =>
  markdownTable(
    ['study', 'form', 'data sets', 'trials', 'run', 'not run', 'wall time of trials, min'],
    [...loaded.values()].map(({ entry, total, results }) => [
      entry.key,
      entry.part,
      Object.keys(entry.sets).join(', '),
      total,
      results.length,
      total - results.length,
      (results.reduce((sum, { seconds }) => sum + seconds, 0) / 60).toFixed(1),
    ]),
  );

const silos = ({ silos: count }) => `${count} silos`;
const GENERATORS = {
  coverage,
  'one-shot': () => wholeTable(of('one-shot')),
  'one-shot all linear': () => wholeTable(of('one-shot-all-linear')),
  'one-shot quick': () => wholeTable(of('one-shot-quick')),
  'one-shot methods': () => wholeTable(of('one-shot-methods')),
  default: () => wholeTable(of('default')),
  'default high rate': () => wholeTable(of('default-high-rate')),
  'all pairs': () => pooledTable([...loaded.values()]),
  control: () => wholeTable(of('control')),
  'control all linear': () => wholeTable(of('control-all-linear')),
  'table 1': () => accuracyTable(of('table-1-and-2'), silos, 'method'),
  'table 2': () => errorTable(of('table-1-and-2'), silos),
  'table 3': () => accuracyTable(of('table-3'), ({ rank }) => `r = ${rank}`, 'method'),
  'table 16': () =>
    accuracyTable(
      of('table-16'),
      ({ serverOptimizer }) => serverOptimizer?.kind ?? 'no server optimizer',
      'method',
    ),
  alpha: () => wholeTable(of('alpha')),
  'regime map': () => gainTable(map),
};

const file = join(root, 'docs/results.md');
const filled = readFileSync(file, 'utf8').replaceAll(REGION, (_, open, name, close) => {
  const generate = GENERATORS[name];
  if (!generate) throw new Error(`docs/results.md: no table is called ${name}`);
  return `${open}\n\n${generate()}\n\n${close}`;
});
writeFileSync(file, await format(filled, { ...(await resolveConfig(file)), filepath: file }));
const chart = gainChart(map.flatMap(({ settings }) => settings));
if (chart !== undefined) writeFileSync(join(root, 'docs/regime-map.svg'), chart);
writeKept([...loaded].map(([study, { results }]) => [study, results]));
console.log('docs/results.md is filled');
