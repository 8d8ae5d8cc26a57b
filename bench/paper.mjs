/**
 * npm run bench:paper -- [--full] [--only key,…] [--workers n] [--shared folder] [--out folder] [--resume]
 *
 * Runs the studies of bench/paper/studies.mjs: the quick ones, with --full all of them. Everything is kept in --out (default
 * .cache/bench-paper) and continues where it was stopped; with --resume from the results that the repository keeps (paper/kept.mjs).
 * Afterwards `npm run bench:paper:report` writes docs/results.md.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runStudy } from '../dist/sim/run-study.js';
import { parseStudy } from '../dist/sim/study.js';
import { studyInput } from './paper/inputs.mjs';
import { resumeKept } from './paper/kept.mjs';
import { STUDIES } from './paper/studies.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
    workers: { type: 'string' },
    shared: { type: 'string', default: process.env.FEDROT_SHARED ?? join(root, '../shared') },
    out: { type: 'string', default: join(root, '.cache/bench-paper') },
    resume: { type: 'boolean', default: false },
  },
});
if (!existsSync(join(values.shared, 'data')))
  throw new Error(`${values.shared} has no folder data: name the folder with --shared`);

const only = values.only?.split(',');
const chosen = STUDIES.filter(({ key, part }) =>
  only ? only.includes(key) : values.full || part === 'quick',
);
const controller = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => controller.abort());

const started = performance.now();
const minutes = () => ((performance.now() - started) / 60_000).toFixed(1);
for (const entry of chosen) {
  console.log(`${entry.key} (${minutes()} min)`);
  if (values.resume) resumeKept(entry.key, join(values.out, entry.key));
  await runStudy(parseStudy(studyInput(entry, values.shared), entry.key), {
    out: join(values.out, entry.key),
    cache: join(values.out, 'cache'),
    ...(values.workers && { workers: Number(values.workers) }),
    signal: controller.signal,
    onResult: ({ trial, versions, seconds, outcome }) => {
      const shares = versions.flatMap(({ accuracy }) =>
        accuracy === null ? [] : (100 * accuracy).toFixed(1),
      );
      const what = [trial.data, trial.methodName, `seed ${trial.seed}`, outcome, `${seconds.toFixed(1)} s`];
      console.log(`  ${what.join('  ')}  ${shares.join(' ')}`);
    },
  });
}
const { user, system } = process.cpuUsage();
console.log(`done in ${minutes()} min, ${((user + system) / 60e6).toFixed(1)} min of processor time`);
