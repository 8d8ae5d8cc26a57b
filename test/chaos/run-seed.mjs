// One seed from start to verdict.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Federation } from './federation.mjs';
import { judge } from './invariants.mjs';
import { planOf, SILOS } from './plan.mjs';
import { storm } from './storm.mjs';

const END_MS = 90_000;

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
    ...(failed && { problems: verdict.problems, folder }),
    versions: verdict.versions,
  };
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
