// Storms over a federation of real processes: npm run test:chaos -- --seeds 200
//
//   --seeds N    how many (default 10)
//   --from N     the first one (default 1); one alone: --from 42 --seeds 1
//   --jobs N     federations at the same time (default 2)
//   --out FILE   JSON lines of the results, and a last one in total
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
    keep: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const numberOf = (name) => {
  const value = Number(values[name]);
  if (Number.isInteger(value) && value >= 1) return value;
  process.stderr.write(`--${name} ${values[name]}: must be a whole number from 1\n`);
  process.exit(2);
};
const [seeds, from, jobs] = ['seeds', 'from', 'jobs'].map(numberOf);
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

async function worker() {
  while (next < from + seeds) {
    const { versions: _same, ...result } = await runSeed(planOf(next++), given, undisturbed, values);
    results.push(result);
    say(result);
  }
}
await Promise.all(Array.from({ length: Math.min(jobs, seeds) }, worker));
rmSync(shared, { recursive: true, force: true });

const count = (list) =>
  Object.fromEntries(
    [...new Set(list)].sort().map((key) => [key, list.filter((each) => each === key).length]),
  );
const failed = results.filter(({ ok }) => !ok);
const summary = {
  seeds: results.length,
  passed: results.length - failed.length,
  failed: failed.map(({ seed }) => seed).sort((a, b) => a - b),
  compared_with_undisturbed: results.filter(({ comparable }) => comparable).length,
  faults: count(results.flatMap(({ faults }) => faults)),
  minutes: Number(((performance.now() - began) / 60_000).toFixed(1)),
};
say(summary);
if (values.write) await writeFigures(summary);
process.exit(failed.length === 0 ? 0 : 1);
