import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { clientConfigSchema, type ClientConfigInput } from '../../src/client/config.js';
import { startClient, type RunningClient } from '../../src/client/daemon.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { FakeCoordinator } from './fake-coordinator.js';
import { FakeTrainer } from './fake-trainer.js';

let folder: string;
let coordinator: FakeCoordinator;
const clients: RunningClient[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-client-'));
  coordinator = new FakeCoordinator();
  await coordinator.start();
});
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  await coordinator.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function silo(metrics?: ClientConfigInput['metrics']): Promise<RunningClient> {
  const train = join(folder, 'data.jsonl');
  writeFileSync(train, '{"text":"a","label":"x"}\n{"text":"b","label":"y"}\n');
  const config = clientConfigSchema.parse({
    name: 'silo-a',
    coordinator: coordinator.address,
    folder: join(folder, 'silo'),
    shutdownGraceMs: 100,
    data: { train },
    metrics,
  });
  const client = await startClient(config, { trainer: new FakeTrainer() });
  clients.push(client);
  return client;
}

it('counts for Prometheus, where it is asked to', async () => {
  const bundle = await tinyBundle(await tinyCheckpoint());
  coordinator.useBundle(bundle);
  const client = await silo({ port: 0 });
  const adapter = [
    { name: 'base_model.model.a.weight', shape: [2, 1000], data: new Float32Array(2000).fill(0.5) },
  ];
  coordinator.assign({
    taskId: 't1',
    train: {
      runId: 'run',
      round: 1,
      adapter: coordinator.publish('run', 0, adapter),
      bundleSha256: bundle.sha256,
      specJson: JSON.stringify({
        name: 'test',
        bundle: bundle.sha256,
        task: { kind: 'text-classification', labels: bundle.manifest.task.labels, maxTokens: 16 },
      }),
      instructionsJson: '{"train":"both"}',
      deadlineMs: Date.now() + 60_000,
    },
  });
  const at = `http://127.0.0.1:${client.metricsPort}`;
  const scrape = async (): Promise<string[]> => (await (await fetch(`${at}/metrics`)).text()).split('\n');
  await expect
    .poll(scrape, { timeout: 10_000 })
    .toContain('fedrot_silo_tasks_total{kind="train",outcome="done"} 1');
  expect(await scrape()).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^fedrot_silo_info\{silo="silo-a",role="trainer",version="\d[^"]*"\} 1$/),
      'fedrot_silo_examples 2',
      'fedrot_silo_connected 1',
      'fedrot_silo_steps_total{kind="train"} 2',
      'fedrot_silo_tokens_total{kind="train"} 22',
      'fedrot_silo_loss_nats{kind="train"} 0.5',
      'fedrot_silo_step_duration_seconds_sum 1',
      'fedrot_silo_task_phase{phase="uploading"} 0',
      'fedrot_silo_sent_bytes_total 8000',
    ]),
  );
  expect(await (await fetch(`${at}/healthz`)).text()).toBe('ok\n');
  expect((await fetch(`${at}/else`)).status).toBe(404);
  expect((await fetch(`${at}/metrics`, { method: 'POST' })).status).toBe(405);
  await expect(silo({ port: client.metricsPort })).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringContaining('metrics.port') as string,
  });
});

it('opens no port unless it is asked to', async () => {
  expect((await silo()).metricsPort).toBeUndefined();
});
