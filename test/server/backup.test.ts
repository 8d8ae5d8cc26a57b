import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { backup } from '../../src/server/backup/backup.js';
import { checkData } from '../../src/server/backup/check-data.js';
import { restore } from '../../src/server/backup/restore.js';
import { FakeSilo } from './support/fake-silo.js';
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
} from './support/harness.js';

const NAMES = ['a', 'b'];
const SPEC = specOf({ rounds: { count: 2, minSilos: 2, deadlineMs: 60_000 } });

let home: string;
let data: string;
let coordinator: TestCoordinator;
let silos: FakeSilo[] = [];

beforeEach(async () => {
  home = await tempFolder();
  data = join(home, 'data');
  coordinator = await startTestCoordinator(data);
  await pushBundle(coordinator.admin);
  await joinAll();
});
afterEach(async () => {
  leave();
  await coordinator.close();
  await removeFolder(home);
});

async function joinAll(): Promise<void> {
  silos = await Promise.all(NAMES.map((name) => new FakeSilo(name, coordinator.address).join()));
}

function leave(): void {
  for (const silo of silos.splice(0)) silo.close();
}

async function submit(name: string, round: number): Promise<void> {
  const silo = silos.find((candidate) => candidate.name === name);
  await silo?.submit(await silo.task(round), factors(name.charCodeAt(0) * 10 + round));
}

async function finish(runId: string): Promise<string[]> {
  await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
  const { adapters } = await coordinator.admin.listAdapters({ runId });
  return adapters.map(({ sha256 }) => sha256.toString('hex'));
}

const problems = async (folder: string): Promise<string[]> =>
  (await checkData(folder)).flatMap(({ what, problems: found }) => found.map((text) => `${what}: ${text}`));

/** One round published, one update of the second in hand. */
async function halfway(): Promise<string> {
  const runId = await createRun(coordinator.admin, SPEC);
  for (const name of NAMES) await submit(name, 1);
  await submit('a', 2);
  return runId;
}

describe('a backup of a running coordinator', { timeout: 120_000 }, () => {
  it('restored, goes on where it was taken and ends with the same adapters', async () => {
    const runId = await halfway();
    const target = join(home, 'backup');
    const record = await backup(data, target, 5);
    expect(record.createdMs).toBe(5);
    expect(existsSync(`${target}.partial`)).toBe(false);
    await submit('b', 2);
    const expected = await finish(runId);
    leave();
    await coordinator.close();

    const restored = join(home, 'restored');
    await restore(target, restored);
    expect(await problems(restored)).toEqual([]);
    coordinator = await startTestCoordinator(restored);
    await joinAll();
    expect((await coordinator.admin.getRun({ runId })).silos).toMatchObject([
      { state: 'done' },
      { state: 'assigned' },
    ]);
    await submit('b', 2);
    expect(await finish(runId)).toEqual(expected);
    expect(await problems(restored)).toEqual([]);
  });

  it('is never written over another, nor restored over data', async () => {
    await halfway();
    const target = join(home, 'backup');
    await backup(data, target, 5);
    await expect(backup(data, target, 6)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(restore(target, data)).rejects.toMatchObject({ code: 'already_exists' });
    await expect(restore(home, join(home, 'x'))).rejects.toMatchObject({ code: 'not_found' });
    await expect(backup(home, join(home, 'y'), 5)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('that was damaged is not restored; data that are damaged are not backed up', async () => {
    await halfway();
    const target = join(home, 'backup');
    const { files } = await backup(data, target, 5);
    const tensor = Object.keys(files).find((name) => name.startsWith('tensors/')) ?? '';
    appendFileSync(join(target, tensor), 'x');
    const restored = join(home, 'restored');
    await expect(restore(target, restored)).rejects.toMatchObject({ code: 'checksum_mismatch' });
    expect(readdirSync(home).filter((name) => name.startsWith('restor'))).toEqual([]);

    appendFileSync(join(data, tensor), 'x');
    await expect(backup(data, join(home, 'second'), 5)).rejects.toMatchObject({ code: 'storage_corrupt' });
    expect(readdirSync(home).filter((name) => name.startsWith('second'))).toEqual([]);
  });

  it('with a path that leads out of the folder is refused', async () => {
    await halfway();
    const target = join(home, 'backup');
    await backup(data, target, 5);
    const path = join(target, 'backup.json');
    writeFileSync(path, readFileSync(path, 'utf8').replace('"tensors/', '"tensors/../../'));
    await expect(restore(target, join(home, 'restored'))).rejects.toMatchObject({ code: 'file_invalid' });
  });
});

describe('the check of a data folder', () => {
  it('finds nothing wrong while a coordinator works in it', async () => {
    await halfway();
    const findings = await checkData(data);
    expect(findings.map(({ what, checked }) => [what, checked > 0])).toEqual(
      ['database', 'adapters', 'updates', 'manifests', 'audit', 'bundles'].map((what) => [what, true]),
    );
    expect(findings.flatMap((finding) => finding.problems)).toEqual([]);
  });

  it('names what was changed: files, manifests, the audit log, bundles', async () => {
    const runId = await halfway();
    leave();
    await coordinator.close();
    const [tensor = ''] = readdirSync(join(data, 'tensors')).filter((name) => name.endsWith('.safetensors'));
    appendFileSync(join(data, 'tensors', tensor), 'x');
    const manifest = join(data, 'evidence', runId, 'round-000001.json');
    writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"examples":10', '"examples":11'));
    const audit = join(data, 'audit.jsonl');
    writeFileSync(audit, readFileSync(audit, 'utf8').replace('run.create', 'run.delete'));
    const bundle = join(data, 'bundles', SPEC.bundle, 'model.onnx');
    appendFileSync(bundle, 'x');
    const found = (await problems(data)).join('\n');
    expect(found).toMatch(new RegExp(`${tensor},? was changed`));
    expect(found).toContain(`manifests: run ${runId} round 1`);
    expect(found).toContain('audit: line');
    expect(found).toContain('model.onnx was changed');
    coordinator = await startTestCoordinator(join(home, 'other'));
  });

  it('says that a database is damaged, and what is missing', async () => {
    const runId = await halfway();
    leave();
    await coordinator.close();
    const path = join(data, 'fedrot.sqlite');
    const database = new Database(path);
    database.exec(`DELETE FROM adapters WHERE version = 0`);
    database.close();
    expect((await problems(data)).join('\n')).toContain(`run ${runId} has versions 1: one is missing`);
    for (const ending of ['-wal', '-shm']) rmSync(`${path}${ending}`, { force: true });
    const bytes = readFileSync(path);
    bytes.fill(0x5a, 4096, bytes.length);
    writeFileSync(path, bytes);
    expect((await problems(data))[0]).toMatch(/^database: /);
    coordinator = await startTestCoordinator(join(home, 'other'));
  });
});
