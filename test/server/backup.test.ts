import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { beforeEach, describe, expect, it } from 'vitest';
import { backup } from '../../src/server/backup/backup.js';
import { checkData } from '../../src/server/backup/check-data.js';
import { restore } from '../../src/server/backup/restore.js';
import { createRun, specOf, untilRun } from './support/harness.js';
import { siloGroup } from './support/silo-group.js';

const NAMES = ['a', 'b'];
const SPEC = specOf({ rounds: { count: 2, minSilos: 2, deadlineMs: 60_000 } });

const group = siloGroup(NAMES);
let home: string;
let data: string;

beforeEach(async () => {
  home = group.folder;
  data = join(home, 'data');
  await group.setUp({}, data);
});

async function finish(runId: string): Promise<string[]> {
  await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
  const { adapters } = await group.coordinator.admin.listAdapters({ runId });
  return adapters.map(({ sha256 }) => sha256.toString('hex'));
}

const problems = async (folder: string): Promise<string[]> =>
  (await checkData(folder)).flatMap(({ what, problems: found }) => found.map((text) => `${what}: ${text}`));

/** One round published, one update of the second in hand. */
async function halfway(): Promise<string> {
  const runId = await createRun(group.coordinator.admin, SPEC);
  for (const name of NAMES) await group.submit(name, 1);
  await group.submit('a', 2);
  return runId;
}

describe('a backup of a running coordinator', { timeout: 120_000 }, () => {
  it('restored, goes on where it was taken and ends with the same adapters', async () => {
    const runId = await halfway();
    const target = join(home, 'backup');
    const record = await backup(data, target, 5);
    expect(record.createdMs).toBe(5);
    expect(existsSync(`${target}.partial`)).toBe(false);
    await group.submit('b', 2);
    const expected = await finish(runId);
    await group.stop();

    const restored = join(home, 'restored');
    await restore(target, restored);
    expect(await problems(restored)).toEqual([]);
    await group.start({}, restored);
    await group.join();
    expect((await group.coordinator.admin.getRun({ runId })).silos).toMatchObject([
      { state: 'done' },
      { state: 'assigned' },
    ]);
    await group.submit('b', 2);
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
    await group.stop();
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
    await group.start({}, join(home, 'other'));
  });

  it('says that a database is damaged, and what is missing', async () => {
    const runId = await halfway();
    await group.stop();
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
    await group.start({}, join(home, 'other'));
  });
});
