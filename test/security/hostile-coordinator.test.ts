import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { CreatedBundle } from '../../src/model/create-bundle.js';
import type { AssignmentInput } from '../../src/rpc/gen/fedrot/v1/Assignment.js';
import type { TrainTaskInput } from '../../src/rpc/gen/fedrot/v1/TrainTask.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { FakeCoordinator } from '../client/fake-coordinator.js';
import { FakeTrainer } from '../client/fake-trainer.js';
import { recordingLogger } from '../client/recording-logger.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { startSilo } from './support/silo.js';

/** A coordinator that sends what it should not, to a real daemon. The daemon says no, goes on living, and touches nothing else. */

let checkpoint: string;
let bundle: CreatedBundle;
let folder: string;
let coordinator: FakeCoordinator;
let log: string[];

beforeAll(async () => {
  checkpoint = await tinyCheckpoint();
  bundle = await tinyBundle(checkpoint);
});
afterAll(() => rm(checkpoint, { recursive: true, force: true }));
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-hostile-'));
  log = [];
  coordinator = new FakeCoordinator();
  coordinator.useBundle(bundle);
  await coordinator.start();
});
afterEach(async () => {
  await coordinator.stop();
  await rm(folder, { recursive: true, force: true });
});

const ADAPTER: readonly NamedTensor[] = [
  { name: 'base_model.model.a.weight', shape: [2, 10], data: new Float32Array(20).fill(0.5) },
];

const start = async (trainer: FakeTrainer, changes: object = {}) =>
  startSilo(
    join(folder, 'silo'),
    { name: 'a', coordinator: coordinator.address, ...changes },
    { trainer, logger: recordingLogger(log) },
  );

function task(taskId: string, changes: TrainTaskInput = {}): AssignmentInput {
  const labels = ['ham', 'spam', 'neither'];
  return {
    taskId,
    train: {
      runId: 'run',
      round: 1,
      adapter: coordinator.publish('run', 0, ADAPTER),
      bundleSha256: bundle.sha256,
      specJson: JSON.stringify({
        name: 'test',
        bundle: bundle.sha256,
        task: { kind: 'text-classification', labels, maxTokens: 16 },
      }),
      instructionsJson: '',
      deadlineMs: Date.now() + 60_000,
      ...changes,
    },
  };
}

const reported =
  (taskId: string): (() => string | undefined) =>
  () => {
    const failure = coordinator.failures.find((each) => each.taskId === taskId);
    return failure && `${failure.code}: ${failure.message}`;
  };

/** Everything below the folder that the daemon was not given. */
const madeFiles = (): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter((path) => !path.startsWith('evil'))
    .sort();

const bad: readonly [what: string, changes: TrainTaskInput, told: RegExp][] = [
  ['a bundle that is a path', { bundleSha256: '../../../etc/passwd' }, /option_invalid: .*no SHA-256/],
  ['no adapter', { adapter: null }, /option_invalid: .*without an adapter/],
  ['instructions that nobody knows', { instructionsJson: '{"run":"rm"}' }, /option_invalid: .*cannot do/],
  ['instructions that are no JSON', { instructionsJson: '{' }, /option_invalid: .*not JSON/],
  ['settings that nobody knows', { specJson: '{"shell":"rm"}' }, /config_unknown_key|config_invalid/],
  ['settings nested without end', { specJson: '['.repeat(200_000) }, /option_invalid|config_invalid/],
];
for (const [what, changes, told] of bad)
  test(`a task with ${what} is refused, and the next one is done`, async () => {
    const trainer = new FakeTrainer();
    await start(trainer);
    coordinator.assign(task('bad', changes));
    await expect.poll(reported('bad'), { timeout: 10_000 }).toMatch(told);
    coordinator.assign(task('good'));
    await expect.poll(() => coordinator.accepted().length, { timeout: 10_000 }).toBe(1);
    expect(trainer.trained).toHaveLength(1);
  });

test('a run that is accepted does not lend its name to another', async () => {
  const trainer = new FakeTrainer();
  await start(trainer, { accept: { runs: ['run'] } });
  coordinator.assign(task('bad', { runId: 'other' }));
  await expect.poll(reported('bad'), { timeout: 10_000 }).toMatch(/adapter of another run/);
  expect(trainer.trained).toHaveLength(0);
});

for (const name of ['../../stolen', '/tmp/fedrot-stolen', 'sub/file', '.bashrc', 'a\0b'])
  test(`a bundle that lists ${JSON.stringify(name)} writes and reads nothing outside its folder`, async () => {
    const evil = join(folder, 'evil');
    await cp(bundle.folder, evil, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(evil, 'manifest.json'), 'utf8')) as { files: object[] };
    const content = Buffer.from('stolen');
    manifest.files.push({
      name,
      bytes: content.length,
      sha256: createHash('sha256').update(content).digest('hex'),
    });
    const text = JSON.stringify(manifest);
    writeFileSync(join(evil, 'manifest.json'), text);
    const sha256 = createHash('sha256').update(text).digest('hex');
    coordinator.useBundle({ folder: evil, sha256 });
    const trainer = new FakeTrainer();
    await start(trainer);
    coordinator.assign(task('bad', { bundleSha256: sha256 }));
    await expect.poll(reported('bad'), { timeout: 10_000 }).toMatch(/file_invalid/);
    expect(trainer.trained).toHaveLength(0);
    expect(madeFiles()).toEqual([
      'silo/bundles/' + sha256 + '.incoming/manifest.json',
      'silo/journal.jsonl',
      'silo/train.jsonl',
    ]);
    expect(existsSync('/tmp/fedrot-stolen')).toBe(false);
    // Only the manifest was asked for.
    expect(new Set(coordinator.downloads.map((each) => each.what))).toEqual(new Set(['manifest.json']));
  });

test('thousands of tasks and questions at once fill neither memory nor disk', async () => {
  coordinator.heartbeatIntervalMs = 1;
  const trainer = new FakeTrainer();
  await start(trainer, { accept: { runs: ['run'] } });
  const adapter = coordinator.publish('other', 0, ADAPTER);
  for (let index = 0; index < 3000; index++)
    coordinator.outstanding.push(task(`flood-${index}`, { runId: 'other', round: index + 1, adapter }));
  coordinator.assign(task('last'));
  await expect.poll(() => coordinator.accepted().length, { timeout: 20_000 }).toBe(1);
  // One question about one run, however often it is asked.
  expect(readdirSync(join(folder, 'silo', 'consents'))).toHaveLength(1);
  expect(coordinator.heartbeats).toBeLessThan(1000);
}, 40_000);
