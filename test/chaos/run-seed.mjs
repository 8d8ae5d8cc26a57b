// One seed from start to verdict.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Federation } from './federation.mjs';
import { judge } from './invariants.mjs';
import { planOf, SILOS } from './plan.mjs';
import { storm } from './storm.mjs';

const END_MS = 90_000;
/** The level of pino's warnings. */
const WARN = 40;

export async function runSeed(plan, given, undisturbed, { keep = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), `fedrot-chaos-${plan.seed}-`));
  const began = performance.now();
  let federation;
  let verdict = { problems: [], comparable: false };
  try {
    federation = await Federation.start(folder, given);
    const runId = await federation.createRun(plan.rounds);
    await storm(federation, plan);
    const run = await federation.finished(runId, END_MS);
    await federation.stop();
    verdict = await judge(federation, run, plan, undisturbed);
  } catch (thrown) {
    verdict.problems.push(`the test itself failed: ${thrown?.stack ?? thrown}`);
    await federation?.stop().catch(() => undefined);
  }
  const failed = verdict.problems.length > 0;
  if (failed && federation !== undefined) writeLogs(folder, federation, plan, verdict);
  if (!failed && !keep) rmSync(folder, { recursive: true, force: true });
  return {
    seed: plan.seed,
    ok: !failed,
    seconds: Number(((performance.now() - began) / 1000).toFixed(1)),
    faults: plan.faults.map(({ kind }) => kind),
    comparable: verdict.comparable,
    ...(failed && { problems: verdict.problems, plan: plan.faults, said: lastWords(federation), folder }),
    versions: verdict.versions,
  };
}

/** The last things that went wrong by the daemons' own words, and all that is no log line: for who has the output only. */
function lastWords(federation) {
  const { coordinator, silos } = federation ?? {};
  return [coordinator, ...(silos?.values() ?? [])].filter(Boolean).map(({ name, logs, other }) => {
    const bad = logs.filter(({ level }) => level >= WARN);
    const lines = bad.slice(-4).map(({ at, msg, err }) => `${Math.round(at)} ${msg} ${err?.message ?? ''}`);
    return `${name}: ${[...lines, ...other.slice(-4)].map((line) => line.slice(0, 200)).join(' / ')}`;
  });
}

function writeLogs(folder, { coordinator, silos }, plan, verdict) {
  writeFileSync(join(folder, 'plan.json'), JSON.stringify({ ...plan, ...verdict }, null, 2));
  for (const daemon of [coordinator, ...silos.values()].filter(Boolean))
    writeFileSync(
      join(folder, `${daemon.name}.log`),
      [...daemon.logs.map((line) => JSON.stringify(line)), ...daemon.other].join('\n'),
    );
}

/** Hashes of the versions of a run in which nothing goes wrong. */
export async function undisturbedVersions(given) {
  const calm = { ...planOf(1), seed: 0, faults: [] };
  const { ok, versions, problems } = await runSeed(calm, given, undefined);
  if (!ok) throw new Error(`the undisturbed run failed: ${problems.join('; ')}`);
  if (versions.length !== calm.rounds.count + 1)
    throw new Error(`${SILOS.length} silos, but ${versions.length} versions`);
  return versions;
}
