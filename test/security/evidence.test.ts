import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { replayRound, manifestOf } from '../../src/cli/audit/replay.js';
import { folderSource } from '../../src/cli/audit/sources.js';
import { signerKeys, verifyAudit, verifyRun } from '../../src/cli/audit/verify.js';
import { parseCertificates } from '../../src/pki/certificate.js';
import { generateSigningKey } from '../../src/pki/keys.js';
import { parseSignedRound, sealRound } from '../../src/evidence/round-manifest.js';
import { FakeSilo } from '../server/support/fake-silo.js';
import { encode } from '../server/support/payload.js';
import {
  createRun,
  factors,
  pushBundle,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
  type TestCoordinator,
} from '../server/support/harness.js';

const SILOS = ['a', 'b', 'c'];

interface Demo {
  readonly folder: string;
  readonly runId: string;
  readonly coordinator: TestCoordinator;
}

/** A run of two rounds with three silos, over real sockets; `beforeLast` is called before the last update of a round. */
async function demo(
  method: string,
  config: Parameters<typeof startTestCoordinator>[1] = {},
  beforeLast: (at: { readonly round: number; readonly folder: string }) => void = () => undefined,
  rounds = 2,
): Promise<Demo> {
  const folder = await tempFolder();
  onTestFinished(() => removeFolder(folder));
  const coordinator = await startTestCoordinator(folder, config, { softwareVersion: '0.0.0-test' });
  onTestFinished(() => coordinator.close());
  const silos = SILOS.map((name) => new FakeSilo(name, coordinator.address));
  onTestFinished(() => silos.forEach((silo) => silo.close()));
  await pushBundle(coordinator.admin);
  for (const silo of silos) await silo.join();
  const spec = specOf({ aggregation: { method } });
  const runId = await createRun(coordinator.admin, spec);
  for (let round = 1; round <= rounds; round++)
    for (const [index, silo] of silos.entries()) {
      const task = await silo.task(round);
      if (index === SILOS.length - 1) beforeLast({ round, folder });
      await silo.submit(task, factors(10 * round + index));
    }
  return { folder, runId, coordinator };
}

const finished = (coordinator: TestCoordinator, runId: string) =>
  untilRun(
    coordinator.admin,
    runId,
    ({ state }) => state !== 'RUN_STATE_RUNNING' && state !== 'RUN_STATE_WAITING',
  );

async function evidence(folder: string, run: string) {
  const source = folderSource(folder);
  const { texts, signersPem } = await source.manifests(run);
  const roots = parseCertificates(await source.rootsPem());
  const keys = signerKeys(signersPem, roots, Date.now());
  return { texts, keys, audit: await source.audit() };
}

const tensorPath = (folder: string) => (sha256: string) => join(folder, 'tensors', `${sha256}.safetensors`);

for (const method of ['fedrot', 'fedit'])
  test(`every adapter of a run with ${method} is computed again bit for bit from what is stored`, async () => {
    const { folder, runId, coordinator } = await demo(method);
    const run = await finished(coordinator, runId);
    expect(run.state).toBe('RUN_STATE_FINISHED');
    const { texts, keys, audit } = await evidence(folder, runId);
    const verdict = verifyRun(texts, keys, { run: runId, rounds: 2 });
    expect(verdict.chain).toMatchObject({ ok: true, rounds: 2 });
    expect(verifyAudit(audit, [verdict])).toMatchObject({ ok: true });
    for (const round of [1, 2]) {
      const manifest = manifestOf(texts, round);
      const published = run.rounds[round - 1]?.adapter?.sha256.toString('hex');
      expect(manifest).toMatchObject({
        run: runId,
        round,
        asked: SILOS.map((silo) => ({ silo, certificate: null })),
        aggregation: { method, seed: 0 },
        software: { fedrot: '0.0.0-test', node: process.version },
        result: { version: round, sha256: published },
      });
      const replayed = replayRound(manifest, tensorPath(folder));
      expect(replayed.computed).toBe(published);
    }
  });

test('an update that is changed on the disk goes into no adapter, and the change is written down', async () => {
  const { folder, runId } = await demo(
    'fedrot',
    {},
    ({ round, folder: data }) => {
      if (round !== 1) return;
      // The first silo's update lies in the spool: one bit of its payload is turned.
      const path = tensorPath(data)(encode(factors(10)).sha256.toString('hex'));
      const bytes = readFileSync(path);
      bytes[bytes.length - 2]! ^= 1;
      writeFileSync(path, bytes);
    },
    1,
  );
  await expect
    .poll(() => folderSource(folder).audit())
    .toMatch(/"action":"storage.corrupt"[^}]*the update of a was changed on the disk/);
  expect((await folderSource(folder).manifests(runId)).texts).toEqual([]);
});

test('a broken chain, a forged signature and a cut log are found, and named', async () => {
  const { folder, runId, coordinator } = await demo('fedit');
  await finished(coordinator, runId);
  const { texts, keys, audit } = await evidence(folder, runId);
  const [first = '', second = ''] = texts;

  const changed = [first.replace('"examples":10', '"examples":99'), second];
  expect(verifyRun(changed, keys, { run: runId }).chain).toMatchObject({
    ok: false,
    broken: { round: 1, code: 'unauthenticated' },
  });

  const { format: _f, previous: _p, ...body } = parseSignedRound(first).manifest;
  const forged = sealRound(body, null, generateSigningKey()).text;
  const verdict = verifyRun([forged, second], keys, { run: runId }).chain;
  expect(verdict).toMatchObject({ ok: false, broken: { round: 1, code: 'unauthenticated' } });

  expect(verifyRun([second], keys, { run: runId }).chain).toMatchObject({ ok: false });
  expect(verifyRun([first], keys, { run: runId, rounds: 2 }).chain).toMatchObject({
    ok: false,
    broken: { code: 'not_found' },
  });

  const good = verifyRun(texts, keys, { run: runId });
  const lines = audit.split('\n').slice(0, -1);
  const withoutOne = [...lines.slice(0, 1), ...lines.slice(2)].map((line) => `${line}\n`).join('');
  expect(verifyAudit(withoutOne, [good])).toMatchObject({ ok: false, line: 2 });
  expect(verifyAudit(`${lines[0]}\n`, [good])).toMatchObject({ ok: false });
});

test('raw updates go when their time is over; the evidence stays and says so', async () => {
  const { folder, runId, coordinator } = await demo('fedrot', { retention: { keepUpdatesMs: 0 } });
  await finished(coordinator, runId);
  const { texts, keys } = await evidence(folder, runId);
  await expect
    .poll(() => folderSource(folder).audit())
    .toMatch(
      new RegExp(
        `"action":"updates.delete","actor":"coordinator:retention","detail":"3 raw[^}]*"object":"${runId} round 2"`,
      ),
    );
  expect(verifyRun(texts, keys, { run: runId }).chain).toMatchObject({ ok: true, rounds: 2 });
  expect(() => replayRound(manifestOf(texts, 1), tensorPath(folder))).toThrow(
    /cannot be replayed: the updates of a, b, c are gone/,
  );
  const { admin } = coordinator;
  const fetched = (async () => {
    for await (const _part of admin.fetchUpdate({ runId, round: 1, silo: 'a', offset: 0 }));
  })();
  await expect(fetched).rejects.toMatchObject({
    code: 'not_found',
    message: expect.stringMatching(/no longer kept/) as string,
  });
  expect(await folderSource(folder).audit()).toMatch(
    new RegExp(
      `"action":"update.fetch"[^}]*"code":"not_found"[^}]*"object":"${runId} round 1 a","outcome":"failed"`,
    ),
  );
  // The adapters are all there.
  const { adapters } = await admin.listAdapters({ runId });
  expect(adapters).toHaveLength(3);
});

test('an audit log that was changed stops the coordinator from starting on it', async () => {
  const { folder, runId, coordinator } = await demo('fedit');
  await finished(coordinator, runId);
  await coordinator.running.close();
  const path = join(folder, 'audit.jsonl');
  writeFileSync(path, readFileSync(path, 'utf8').replace('run.create', 'run.stop'));
  await expect(startTestCoordinator(folder)).rejects.toMatchObject({ code: 'storage_corrupt' });
});
