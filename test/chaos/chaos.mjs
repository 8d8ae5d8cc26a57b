// Storms over a federation of real processes: npm run test:chaos -- --seeds 200
//
//   --seeds N    how many (default 10)
//   --from N     the first one (default 1); one alone: --from 42 --seeds 1
//   --jobs N     federations at the same time (default 2)
//   --out FILE   JSON lines of the results, and a last one in total
//   --again N    runs a seed that failed for want of time or of words N times more (default 0): passes where it does then each time, and
//                says that it is unsteady; what was lost, doubled or damaged is never excused
//   --keep       folders of seeds that passed stay too
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { makeBundle } from './bundle.mjs';
import { makeAuthority } from './federation.mjs';
import { writeFigures } from './figures.mjs';
import { planOf } from './plan.mjs';
import { runSeed, undisturbedVersions } from './run-seed.mjs';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '10' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    out: { type: 'string' },
    again: { type: 'string', default: '0' },
    keep: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const numberOf = (name, least = 1) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= least) return value;
  process.stderr.write(`--${name} ${values[name]}: must be a whole number from ${least}\n`);
  process.exit(2);
};
const [seeds, from, jobs] = ['seeds', 'from', 'jobs'].map((name) => numberOf(name));
const again = numberOf('again', 0);
const say = (result) => {
  const line = `${JSON.stringify(result)}\n`;
  process.stdout.write(line);
  if (values.out) appendFileSync(values.out, line);
};

if (values.out) writeFileSync(values.out, '');
const shared = mkdtempSync(join(tmpdir(), 'fedrot-chaos-'));
const began = performance.now();
const given = { bundle: await makeBundle(shared), pki: await makeAuthority(join(shared, 'authority')) };
const undisturbed = await undisturbedVersions(given);
const results = [];
let next = from;

async function runOnce(seed) {
  const { versions: _same, ...result } = await runSeed(planOf(seed), given, undisturbed, values);
  say(result);
  return result;
}

async function worker() {
  while (next < from + seeds) results.push(await runOnce(next++));
}
await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, worker));
/** What a machine that stands still can bring about. */
const EXCUSABLE = /stayed open for|^the run did not end|the log does not say why|no log line says so/;
const mayRunAgain = ({ ok, problems }) =>
  again > 0 && !ok && problems.every((problem) => EXCUSABLE.test(problem));
/** Of those the ones that pass every time that they run again. */
const unsteady = [];
for (const { seed } of results.filter(mayRunAgain)) {
  const repeats = [];
  for (let i = 0; i < again; i++) repeats.push(await runOnce(seed));
  if (repeats.every(({ ok }) => ok)) unsteady.push(seed);
}
rmSync(shared, { recursive: true, force: true });

const count = (list) =>
  Object.fromEntries(
    [...new Set(list)].sort().map((key) => [key, list.filter((each) => each === key).length]),
  );
const failed = results.filter(({ ok, seed }) => !ok && !unsteady.includes(seed));
const summary = {
  seeds: results.length,
  passed: results.filter(({ ok }) => ok).length,
  failed: failed.map(({ seed }) => seed).sort((a, b) => a - b),
  ...(again > 0 && { unsteady }),
  compared_with_undisturbed: results.filter(({ comparable }) => comparable).length,
  faults: count(results.flatMap(({ faults }) => faults)),
  minutes: Number(((performance.now() - began) / 60_000).toFixed(1)),
};
say(summary);
const { FEDROT_TEST_FAILURES: notes } = process.env;
for (const { seed, problems } of notes ? results.filter((result) => unsteady.includes(result.seed)) : [])
  appendFileSync(notes, `chaos: unsteady: seed ${seed}: ${problems.join('; ')}\n`);
if (values.write) await writeFigures(summary);
process.exit(failed.length === 0 ? 0 : 1);
