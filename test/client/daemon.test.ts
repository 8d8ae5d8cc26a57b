import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { clientConfigSchema, type ClientConfigInput } from '../../src/client/config.js';
import { startClient, type RunningClient } from '../../src/client/daemon.js';
import { FedrotError } from '../../src/errors.js';
import type { CreatedBundle } from '../../src/model/create-bundle.js';
import type { AdapterRefInput } from '../../src/rpc/gen/fedrot/v1/AdapterRef.js';
import type { AssignmentInput } from '../../src/rpc/gen/fedrot/v1/Assignment.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { ADAPTER, TRAINED } from './big-adapter.js';
import { FakeCoordinator } from './fake-coordinator.js';
import { FakeTrainer } from './fake-trainer.js';
import { recordingLogger } from './recording-logger.js';

let checkpoint: string;
let bundle: CreatedBundle;
let folder: string;
let coordinator: FakeCoordinator;
let log: string[];
const clients: RunningClient[] = [];

beforeAll(async () => {
  checkpoint = await tinyCheckpoint();
  bundle = await tinyBundle(checkpoint);
});
afterAll(() => rm(checkpoint, { recursive: true }));
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-client-'));
  log = [];
  coordinator = new FakeCoordinator();
  coordinator.useBundle(bundle);
  await coordinator.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await coordinator.stop();
  rmSync(folder, { recursive: true, force: true });
});

const SECRET = 'the-patient-has-a-name';

async function silo(
  trainer = new FakeTrainer(),
  changes: Partial<ClientConfigInput> = {},
): Promise<{ client: RunningClient; trainer: FakeTrainer }> {
  const labels = bundle.manifest.task.labels;
  const lines = Array.from({ length: 12 }, (_, index) =>
    JSON.stringify({ text: SECRET, label: labels[index % 2] }),
  );
  const path = join(folder, 'data.jsonl');
  writeFileSync(path, lines.join('\n'));
  const config = clientConfigSchema.parse({
    name: 'silo-a',
    coordinator: coordinator.address,
    folder: join(folder, 'silo'),
    shutdownGraceMs: 100,
    data: changes.role === 'evaluator' ? { test: path } : { train: path },
    ...changes,
  });
  const client = await startClient(config, {
    trainer,
    logger: recordingLogger(log),
    retry: { initialMs: 20, maxMs: 100, factor: 2, maxAttempts: Infinity },
    random: () => 0.5,
  });
  clients.push(client);
  return { client, trainer };
}

const spec = (): string =>
  JSON.stringify({
    name: 'test',
    bundle: bundle.sha256,
    task: { kind: 'text-classification', labels: bundle.manifest.task.labels, maxTokens: 16 },
  });

function trainTask(taskId: string, adapter: AdapterRefInput, round = 1): AssignmentInput {
  return {
    taskId,
    train: {
      runId: 'run',
      round,
      adapter,
      bundleSha256: bundle.sha256,
      specJson: spec(),
      instructionsJson: '{"train":"b"}',
      deadlineMs: Date.now() + 60_000,
    },
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`never: ${what}\n${log.slice(-15).join('')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const acceptedOne = () => until(() => coordinator.accepted().length === 1, 'an update accepted');

function gate(): { opened: Promise<void>; open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

describe('a task from beginning to end', () => {
  it('registers, fetches, trains, reports and submits', async () => {
    const { client, trainer } = await silo();
    coordinator.assign(trainTask('t1', coordinator.publish('run', 4, ADAPTER)));
    await acceptedOne();
    expect(client.examples).toBe(12);
    expect(coordinator.registrations[0]).toMatchObject({
      silo: 'silo-a',
      role: 'SILO_ROLE_TRAINER',
      protocolMin: 1,
      protocolMax: 1,
      examples: 12,
      labels: bundle.manifest.task.labels.slice(0, 2).sort(),
    });
    const [update] = coordinator.accepted();
    expect(update?.file.equals(TRAINED.bytes)).toBe(true);
    expect(update?.begins).toHaveLength(1);
    expect(update?.begins[0]).toMatchObject({
      runId: 'run',
      round: 1,
      silo: 'silo-a',
      taskId: 't1',
      baseVersion: 4,
      examples: 12,
      offset: 0,
      metrics: { loss: 0.625, steps: 2, seconds: 0.1, tokens: 99 },
    });
    expect(trainer.trained[0]).toMatchObject({ instructions: { train: 'b' }, seed: [0, 'silo-a', 1] });
    expect(trainer.trained[0]?.bundle.sha256).toBe(bundle.sha256);
    await until(() => coordinator.progress.some(({ phase }) => phase === 'uploading'), 'progress');
    const phases = [...new Set(coordinator.progress.map(({ phase }) => phase))];
    expect(phases).toEqual(['fetching', 'preparing', 'training', 'uploading']);
    expect(coordinator.progress.find(({ step }) => step === 2)).toMatchObject({ totalSteps: 2, loss: 0.5 });
    await until(() => coordinator.heartbeats > 1, 'heartbeats');
  });

  it('evaluates', async () => {
    const { trainer } = await silo(new FakeTrainer(), { role: 'evaluator' });
    const adapter = coordinator.publish('run', 3, ADAPTER);
    coordinator.assign({
      taskId: 'e1',
      evaluate: { runId: 'run', adapter, bundleSha256: bundle.sha256, specJson: spec(), deadlineMs: 0 },
    });
    await until(() => coordinator.evaluations.length === 1, 'an evaluation');
    expect(coordinator.registrations[0]?.role).toBe('SILO_ROLE_EVALUATOR');
    expect(coordinator.evaluations[0]).toEqual({
      silo: 'silo-a',
      taskId: 'e1',
      runId: 'run',
      version: 3,
      examples: 12,
      loss: 0.25,
      accuracy: 0.9,
      metrics: { f1: 0.8 },
    });
    expect(encodeTensorFile(trainer.evaluated[0]!.adapter).sha256).toBe(encodeTensorFile(ADAPTER).sha256);
  });

  it('does tasks one after the other, and one that comes twice once', async () => {
    const waiting = gate();
    const trainer = new FakeTrainer();
    trainer.gate = waiting.opened;
    await silo(trainer);
    const adapter = coordinator.publish('run', 0, ADAPTER);
    const other = { ...coordinator.publish('other', 0, ADAPTER) };
    coordinator.assign(trainTask('t1', adapter));
    coordinator.assign(trainTask('t1', adapter));
    const second = trainTask('t2', other);
    coordinator.assign({ ...second, train: { ...second.train, runId: 'other' } });
    await until(() => trainer.trained.length === 1, 'training');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(trainer.trained).toHaveLength(1);
    waiting.open();
    await until(() => coordinator.accepted().length === 2, 'both');
    expect(trainer.trained.map(({ adapter: given }) => given.length)).toEqual([2, 2]);
    expect(coordinator.accepted().map(({ begins }) => begins.map(({ taskId }) => taskId))).toEqual([
      ['t1'],
      ['t2'],
    ]);
  });
});

describe('a network that breaks', () => {
  it('waits for a coordinator that is away', async () => {
    await coordinator.stop();
    await silo();
    await until(() => log.filter((line) => line.includes('trying again')).length > 2, 'attempts');
    await coordinator.start();
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await acceptedOne();
  });

  it('continues an upload in the middle of which the coordinator died', async () => {
    const { trainer } = await silo();
    coordinator.faults.dieInUploadAfter = 600_000;
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(
      () => log.some((line) => line.includes('submit the update') && line.includes('trying again')),
      'a break',
    );
    await coordinator.start();
    await acceptedOne();
    const [update] = coordinator.accepted();
    expect(update?.file.equals(TRAINED.bytes)).toBe(true);
    expect(update?.begins.map(({ offset }) => offset)).toEqual([0, expect.any(Number)]);
    expect(update?.begins[1]?.offset).toBeGreaterThanOrEqual(600_000);
    expect(trainer.trained).toHaveLength(1);
    expect(coordinator.registrations.length).toBeGreaterThanOrEqual(2);
  });

  it('asks before it sends again what was accepted but not answered', async () => {
    await silo();
    coordinator.faults.loseAcknowledgement = true;
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => log.some((line) => line.includes('update accepted')), 'the acknowledgement');
    expect(coordinator.accepted()[0]?.begins).toHaveLength(1);
  });

  it('continues downloads that end early', async () => {
    await silo();
    // manifest.json, then the first file of several chunks, then the adapter.
    coordinator.faults.endDownloadAfter = [
      Infinity,
      Infinity,
      Infinity,
      Infinity,
      Infinity,
      300_000,
      400_000,
    ];
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await acceptedOne();
    const offsets = coordinator.downloads
      .filter(({ what }) => what === 'adapter')
      .map(({ offset }) => offset);
    expect(offsets).toHaveLength(3);
    expect(offsets[0]).toBe(0);
    expect(offsets[1]).toBeGreaterThanOrEqual(300_000);
    expect(offsets[2]).toBeGreaterThanOrEqual(offsets[1]! + 400_000);
    expect(coordinator.accepted()[0]?.file.equals(TRAINED.bytes)).toBe(true);
  });

  it('goes on training while the coordinator restarts', async () => {
    const waiting = gate();
    const trainer = new FakeTrainer();
    trainer.gate = waiting.opened;
    await silo(trainer);
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => trainer.trained.length === 1, 'training');
    await coordinator.stop();
    await coordinator.start();
    await until(() => coordinator.watchers === 1, 'the silo is back');
    await new Promise((resolve) => setTimeout(resolve, 50));
    waiting.open();
    await acceptedOne();
    expect(trainer.trained).toHaveLength(1);
    expect(trainer.cancelled).toBe(0);
  });

  it('registers again where the coordinator has forgotten it', async () => {
    await silo();
    await until(() => coordinator.watchers === 1 && coordinator.heartbeats > 0, 'watching');
    coordinator.forgetSessions();
    await until(() => coordinator.registrations.length === 2, 'a second registration');
    await until(() => coordinator.watchers === 1, 'one watcher');
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await acceptedOne();
  });

  it('stops where the coordinator refuses it', async () => {
    coordinator.faults.refuse = new FedrotError(
      'permission_denied',
      'silo-a was removed from the consortium',
    );
    const { client } = await silo();
    await expect(client.failed).rejects.toMatchObject({
      code: 'permission_denied',
      message: 'silo-a was removed from the consortium',
    });
  });
});

describe('what comes damaged', () => {
  it('is fetched again', async () => {
    await silo();
    coordinator.faults.damageBundle = 1;
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await acceptedOne();
    expect(log.some((line) => line.includes('checksum_mismatch'))).toBe(true);
  });

  it('is refused where it stays so, and nothing is trained', async () => {
    const { trainer } = await silo();
    coordinator.faults.damageBundle = Infinity;
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => coordinator.failures.length === 1, 'a report');
    expect(coordinator.failures[0]).toMatchObject({ taskId: 't1', code: 'checksum_mismatch' });
    expect(coordinator.failures[0]?.message).not.toContain(folder);
    expect(trainer.trained).toHaveLength(0);
    expect(readdirSync(join(folder, 'silo/bundles'))).toEqual([`${bundle.sha256}.incoming`]);
  });

  it('is refused where another adapter comes than the one announced', async () => {
    const { trainer } = await silo();
    const adapter = coordinator.publish('run', 0, ADAPTER);
    coordinator.publish(
      'run',
      1,
      ADAPTER.map((tensor) => ({ ...tensor, data: tensor.data.map((value) => -value) })),
    );
    coordinator.faults.wrongAdapter = true;
    coordinator.assign(trainTask('t1', adapter));
    await until(() => coordinator.failures.length === 1, 'a report');
    expect(coordinator.failures[0]?.code).toBe('checksum_mismatch');
    expect(trainer.trained).toHaveLength(0);
  });

  it('is reported where the bundle is not there', async () => {
    await silo();
    const task = trainTask('t1', coordinator.publish('run', 0, ADAPTER));
    coordinator.assign({ ...task, train: { ...task.train, bundleSha256: 'ab'.repeat(32) } });
    await until(() => coordinator.failures.length === 1, 'a report');
    expect(coordinator.failures[0]?.code).toBe('not_found');
  });
});

describe('a finished update', () => {
  it('survives the daemon: the next one submits it and does not train', async () => {
    coordinator.faults.refuseUpload = new FedrotError('unavailable', 'not now');
    const first = await silo();
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => log.some((line) => line.includes('not now')), 'an attempt');
    coordinator.faults.refuse = new FedrotError('unavailable', 'nobody hears the good-bye');
    coordinator.forgetSessions();
    await first.client.close();
    delete coordinator.faults.refuse;
    delete coordinator.faults.refuseUpload;
    const second = await silo();
    await acceptedOne();
    expect(coordinator.accepted()[0]?.file.equals(TRAINED.bytes)).toBe(true);
    expect([first.trainer.trained.length, second.trainer.trained.length]).toEqual([1, 0]);
  });

  it('serves the same round when it is tried again, and not another', async () => {
    const { trainer } = await silo();
    const adapter = coordinator.publish('run', 0, ADAPTER);
    coordinator.assign(trainTask('t1', adapter));
    await acceptedOne();
    coordinator.uploads.clear();
    coordinator.assign(trainTask('t1-again', adapter));
    await acceptedOne();
    expect(coordinator.accepted()[0]?.begins[0]?.taskId).toBe('t1-again');
    expect(trainer.trained).toHaveLength(1);
    coordinator.assign(trainTask('t2', adapter, 2));
    await until(() => trainer.trained.length === 2, 'training of round 2');
    await until(
      () => readdirSync(join(folder, 'silo/updates')).length === 2,
      'only the last round in the spool',
    );
  });

  it('is dropped where the round is closed, and the silo goes on', async () => {
    const { trainer } = await silo();
    coordinator.faults.refuseUpload = new FedrotError('round_closed', 'round 1 is closed');
    const adapter = coordinator.publish('run', 0, ADAPTER);
    coordinator.assign(trainTask('t1', adapter));
    await until(() => log.some((line) => line.includes('too late')), 'the refusal');
    delete coordinator.faults.refuseUpload;
    coordinator.outstanding.length = 0;
    coordinator.assign(trainTask('t2', adapter, 2));
    await acceptedOne();
    expect(trainer.trained).toHaveLength(2);
    expect(coordinator.failures).toEqual([]);
  });
});

describe('tasks that end early', () => {
  it('are abandoned when cancelled', async () => {
    const trainer = new FakeTrainer();
    trainer.gate = new Promise(() => undefined);
    await silo(trainer);
    const adapter = coordinator.publish('run', 0, ADAPTER);
    coordinator.assign(trainTask('t1', adapter));
    await until(() => trainer.trained.length === 1, 'training');
    coordinator.outstanding.length = 0;
    coordinator.assign({ taskId: 't1', cancel: { reason: 'the run was stopped' } });
    await until(() => trainer.cancelled === 1, 'the cancellation');
    trainer.gate = undefined;
    coordinator.assign(trainTask('t2', adapter, 2));
    await acceptedOne();
    expect(coordinator.failures).toEqual([]);
  });

  it('give way to a later round of their run', async () => {
    const trainer = new FakeTrainer();
    trainer.gate = new Promise(() => undefined);
    await silo(trainer);
    const adapter = coordinator.publish('run', 0, ADAPTER);
    coordinator.assign(trainTask('t1', adapter));
    await until(() => trainer.trained.length === 1, 'training');
    trainer.gate = undefined;
    coordinator.assign(trainTask('t2', adapter, 2));
    await acceptedOne();
    expect(trainer.cancelled).toBe(1);
    expect(coordinator.accepted()[0]?.begins[0]?.taskId).toBe('t2');
  });

  it('are reported when the silo shuts down', async () => {
    const trainer = new FakeTrainer();
    trainer.gate = new Promise(() => undefined);
    const { client } = await silo(trainer);
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => trainer.trained.length === 1, 'training');
    await client.close();
    expect(coordinator.failures).toEqual([
      { silo: 'silo-a', taskId: 't1', code: 'cancelled', message: 'the silo is shutting down' },
    ]);
    expect(trainer.closed).toBe(true);
  });

  it('may finish within the grace time', async () => {
    const waiting = gate();
    const trainer = new FakeTrainer();
    trainer.gate = waiting.opened;
    const { client } = await silo(trainer, { shutdownGraceMs: 5000 });
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => trainer.trained.length === 1, 'training');
    const closed = client.close();
    waiting.open();
    await closed;
    expect(coordinator.accepted()).toHaveLength(1);
    expect(coordinator.failures).toEqual([]);
  });

  it.each([
    [
      new FedrotError('data_unknown_label', `x.csv:3: label "${SECRET}"`, {
        details: { unknown: 2, examples: 9 },
      }),
      /2 of 9 examples/,
    ],
    [new TypeError(`cannot read ${SECRET}`), /the silo failed/],
    [new FedrotError('tensor_not_finite', 'the loss of step 3 is NaN'), /step 3 is NaN/],
  ])('tell the coordinator why, without data: %s', async (error, message) => {
    const trainer = new FakeTrainer();
    trainer.fail = error as FedrotError;
    await silo(trainer);
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await until(() => coordinator.failures.length === 1, 'a report');
    expect(coordinator.failures[0]?.message).toMatch(message);
    expect(JSON.stringify(coordinator.failures)).not.toContain(SECRET);
  });
});

describe('a journal that cannot be written', () => {
  it('ends the daemon at once, whatever it is at: nothing may leave the silo unrecorded', async () => {
    const { client } = await silo(new FakeTrainer(), { shutdownGraceMs: 600_000 });
    await until(() => log.join('').includes('registered with the coordinator'), 'a registration');
    // Somebody else writes to it: the next entry is refused, as on a full disk.
    appendFileSync(join(folder, 'silo', 'journal.jsonl'), '!');
    const ended = client.failed.catch((error: unknown) => error);
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    expect(await ended).toMatchObject({ code: 'storage_corrupt' });
    await client.close(); // not after ten minutes of grace
    expect(log.join('')).toContain('nothing may leave this silo');
  });
});

describe('text stays on the silo', () => {
  it('nothing of it is in messages or logs of a whole task', async () => {
    await silo();
    coordinator.assign(trainTask('t1', coordinator.publish('run', 0, ADAPTER)));
    await acceptedOne();
    const { registrations, progress, failures, evaluations } = coordinator;
    const begins = coordinator.accepted().map((update) => update.begins);
    expect(JSON.stringify({ registrations, progress, failures, evaluations, begins })).not.toContain(SECRET);
    expect(log.join('')).not.toContain(SECRET);
  });

  it('labels are withheld where the administrator wants that', async () => {
    const path = join(folder, 'data.jsonl');
    await silo(new FakeTrainer(), { data: { train: path, shareLabels: false } });
    await until(() => coordinator.registrations.length === 1, 'registration');
    expect(coordinator.registrations[0]?.labels).toEqual([]);
  });
});
