import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { encodeTensorFile, memorySource } from '../../src/tensor/encode-file.js';
import { FakeSilo } from './support/fake-silo.js';
import {
  BUNDLE,
  BUNDLE_FILES,
  createRun,
  factors,
  fetchAdapter,
  getRun,
  pushBundle,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilMeasured,
  untilRun,
  type TestCoordinator,
} from './support/harness.js';
import { fileOf } from './support/payload.js';

let folder: string;
let coordinator: TestCoordinator;
const silos: FakeSilo[] = [];

beforeEach(async () => {
  folder = await tempFolder();
  coordinator = await startTestCoordinator(folder);
  await pushBundle(coordinator.admin);
});
afterEach(async () => {
  for (const silo of silos.splice(0)) silo.close();
  await coordinator.close();
  await removeFolder(folder);
});

async function joined(name: string, role: 'TRAINER' | 'EVALUATOR' = 'TRAINER'): Promise<FakeSilo> {
  const silo = new FakeSilo(name, coordinator.address);
  silos.push(silo);
  return silo.join(role);
}

const SEEDS: Readonly<Record<string, number>> = { a: 11, b: 22, c: 33 };
const updateOf = (silo: string, round: number) => factors((SEEDS[silo] ?? 0) * round);

describe('a run with three silos and an evaluator', () => {
  it('goes from the initial adapter through every round to the end', async () => {
    const { admin } = coordinator;
    const trainers = [await joined('c'), await joined('a'), await joined('b')];
    const evaluator = await joined('e', 'EVALUATOR');
    const runId = await createRun(
      admin,
      specOf({ evaluation: { every: 1, timeoutMs: 20_000 }, aggregation: { method: 'fedit' } }),
    );
    expect(runId).toBe('mail');

    for (let version = 0; version <= 2; version++) {
      const { taskId, evaluate } = await evaluator.assignment(
        (task) => task.evaluate?.adapter?.version === version,
      );
      expect(evaluate).toMatchObject({ runId, bundleSha256: BUNDLE });
      await evaluator.calls.submitEvaluation({
        silo: 'e',
        taskId,
        runId,
        version,
        examples: 50,
        loss: 0.7 - version / 10,
        accuracy: 0.5 + version / 10,
        metrics: { f1: 0.4 },
      });
      const round = version + 1;
      if (round > 2) break;
      for (const silo of trainers) {
        const task = await silo.task(round);
        expect(JSON.parse(task.train.instructionsJson)).toEqual({ train: 'both' });
        expect(task.train.adapter?.version).toBe(version);
        await silo.calls.reportProgress({
          silo: silo.name,
          taskId: task.taskId,
          step: 5,
          totalSteps: 20,
          loss: 0.6,
          phase: 'training',
        });
        expect(await silo.submit(task, updateOf(silo.name, round), { examples: 10 * round })).toMatchObject({
          alreadyKnown: false,
        });
      }
    }
    const run = await untilMeasured(admin, runId);
    expect(run).toMatchObject({ state: 'RUN_STATE_FINISHED', round: 2, reason: '' });
    expect(run.rounds.map(({ round, updates }) => [round, updates.map(({ silo }) => silo)])).toEqual([
      [1, ['a', 'b', 'c']],
      [2, ['a', 'b', 'c']],
    ]);
    expect(run.evaluations.map(({ version, accuracy }) => [version, accuracy])).toEqual([
      [0, 0.5],
      [1, 0.6],
      [2, 0.7],
    ]);
    expect(run.rounds[0]?.updates[0]).toMatchObject({ examples: 10, loss: 0.5, steps: 20, seconds: 1.5 });
    expect(run.rounds[0]?.bytesReceived).toBe(3 * (run.rounds[0]?.updates[0]?.bytes ?? NaN));

    // Every version is what its updates give, bit for bit, and named by the SHA-256 of its file.
    let previous = factors(1, true);
    for (const round of [1, 2]) {
      const { tensors, diagnostics } = aggregate({
        method: 'fedit',
        options: {},
        round,
        seed: 0,
        previous: memorySource(previous),
        updates: ['a', 'b', 'c'].map((silo) => ({
          silo,
          weight: 10,
          tensors: memorySource(updateOf(silo, round)),
        })),
      });
      const record = run.rounds[round - 1];
      expect(Buffer.from(record?.adapter?.sha256 ?? []).toString('hex')).toBe(
        encodeTensorFile(tensors).sha256,
      );
      expect(JSON.parse(record?.diagnosticsJson ?? '')).toEqual(diagnostics);
      previous = [...tensors];
    }
    const payload = await fetchAdapter(admin, runId, 2);
    expect(createHash('sha256').update(fileOf(previous, payload)).digest()).toEqual(
      run.rounds[1]?.adapter?.sha256,
    );
    expect(await fetchAdapter(admin, runId, 2, 1000)).toEqual(payload.subarray(1000));
  });

  it('shows the run, its silos and its adapters to the operator', async () => {
    const { admin } = coordinator;
    await joined('a');
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 2 } }));
    expect(await getRun(admin, runId)).toMatchObject({
      state: 'RUN_STATE_WAITING',
      phase: 'waiting',
      reason: 'waiting for silos: 1 of 2 trainers connected',
    });
    const b = await joined('b');
    const task = await b.task(1);
    const report = { silo: 'b', taskId: task.taskId, step: 3, totalSteps: 20, loss: 0.25, phase: 'training' };
    await b.calls.reportProgress(report);
    const run = await getRun(admin, runId);
    expect(run).toMatchObject({ state: 'RUN_STATE_RUNNING', phase: 'collecting', round: 1, totalRounds: 1 });
    expect(run.deadlineMs).toBeGreaterThan(Date.now());
    expect(run.silos).toMatchObject([
      { silo: 'a', state: 'assigned' },
      { silo: 'b', state: 'training', step: 3, totalSteps: 20, loss: 0.25 },
    ]);
    expect((await admin.listRuns({})).runs).toMatchObject([{ runId, phase: 'collecting' }]);
    expect((await admin.listSilos({})).silos).toMatchObject([
      { silo: 'a', connected: true, role: 'SILO_ROLE_TRAINER', softwareVersion: 'test', examples: 100 },
      { silo: 'b', connected: true },
    ]);
    expect((await admin.listAdapters({ runId })).adapters).toMatchObject([{ runId, version: 0 }]);
  });

  it('stops on request and tells the silos', async () => {
    const { admin } = coordinator;
    const a = await joined('a');
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    const task = await a.task(1);
    expect(await admin.stopRun({ runId, reason: 'wrong data' })).toMatchObject({
      state: 'RUN_STATE_STOPPED',
      reason: 'wrong data',
    });
    const { cancel } = await a.assignment((assignment) => assignment.task === 'cancel');
    expect(cancel?.reason).toContain('wrong data');
    await expect(a.submit(task, updateOf('a', 1))).rejects.toMatchObject({ code: 'run_closed' });
  });

  it('acknowledges the same update again, also when its round is over', async () => {
    const { admin } = coordinator;
    const a = await joined('a');
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    const task = await a.task(1);
    await a.submit(task, updateOf('a', 1));
    await untilRun(admin, runId, ({ phase }) => phase === 'done');
    expect(await a.submit(task, updateOf('a', 1))).toMatchObject({ alreadyKnown: true });
    const { sha256 } = (await getRun(admin, runId)).rounds[0]?.updates[0] ?? {};
    expect(
      await a.calls.getUploadStatus({ runId, round: 1, silo: 'a', sha256: sha256 ?? Buffer.alloc(32) }),
    ).toMatchObject({ accepted: true });
  });

  it('hands out the bundle of a run, from any offset', async () => {
    const a = await joined('a');
    await createRun(coordinator.admin);
    for (const [file, content] of Object.entries(BUNDLE_FILES)) {
      const parts: Buffer[] = [];
      let digest: Buffer | undefined;
      for await (const part of a.calls.fetchBundleFile({ bundleSha256: BUNDLE, file, offset: 3 })) {
        if (part.info) expect(part.info).toMatchObject({ name: file, bytes: content.length });
        if (part.chunk) parts.push(part.chunk.data);
        if (part.digest) digest = part.digest.sha256;
      }
      expect(Buffer.concat(parts)).toEqual(content.subarray(3));
      expect(digest).toEqual(createHash('sha256').update(content).digest());
    }
    expect((await coordinator.admin.listBundles({})).bundles).toMatchObject([
      { bundleSha256: BUNDLE, complete: true },
    ]);
  });

  it('counts and measures for Prometheus', async () => {
    const { admin } = coordinator;
    const a = await joined('a');
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    await a.submit(await a.task(1), updateOf('a', 1));
    await untilMeasured(admin, runId);
    expect(await coordinator.metric('fedrot_diagnoses_pending')).toBe(0);
    expect(await coordinator.metric('fedrot_updates_total{outcome="accepted"}')).toBe(1);
    expect(await coordinator.metric(`fedrot_rounds_total{run="${runId}"}`)).toBe(1);
    expect(await coordinator.metric('fedrot_silos{role="trainer",state="connected"}')).toBe(1);
    expect(await coordinator.metric('fedrot_received_bytes_total{kind="update"}')).toBe(
      (await getRun(admin, runId)).rounds[0]?.bytesReceived,
    );
    expect(
      await coordinator.metric(
        'fedrot_grpc_calls_total{service="SiloService",method="SubmitUpdate",code="ok"}',
      ),
    ).toBe(1);
    const { body } = await coordinator.http('/metrics');
    const value = (series: string): number =>
      Number(
        body
          .split('\n')
          .find((line) => line.startsWith(`${series} `))
          ?.split(' ')[1],
      );
    expect(value('fedrot_runs{state="finished"}')).toBe(1);
    expect(value('fedrot_run_round{run="mail"}')).toBe(1);
    expect(value('fedrot_round_duration_seconds_count{run="mail"}')).toBe(1);
    expect(value('fedrot_uploads_in_progress')).toBe(0);
    expect(value('fedrot_aggregations_in_progress')).toBe(0);
    const misalignment = value('fedrot_misalignment_ratio{run="mail"}');
    expect(misalignment).toBeGreaterThan(0);
    expect(misalignment).toBeLessThan(1);
    const payload = await fetchAdapter(admin, runId, 1);
    let squares = 0;
    for (let at = 0; at < payload.length; at += 4) squares += payload.readFloatLE(at) ** 2;
    expect(value('fedrot_adapter_norm{run="mail"}')).toBeCloseTo(Math.sqrt(squares), 6);
    expect(value('fedrot_storage_bytes{kind="tensors"}')).toBeGreaterThan(0);
    expect(value('fedrot_disk_free_bytes')).toBeGreaterThan(0);
    expect(value('fedrot_disk_size_bytes')).toBeGreaterThan(value('fedrot_disk_free_bytes'));
    for (const name of [
      'fedrot_aggregation_error_ratio',
      'nodejs_eventloop_lag_seconds',
      'process_resident_memory_bytes',
    ])
      expect(body).toContain(`# TYPE ${name} gauge`);
    expect(body).toContain('fedrot_phase_duration_seconds_count{run="mail",phase="collecting"} 1');
  });

  it('answers /healthz and /readyz', async () => {
    expect(await coordinator.http('/healthz')).toEqual({ status: 200, body: 'ok\n' });
    expect(await coordinator.http('/readyz')).toEqual({ status: 200, body: 'ready\n' });
    expect((await coordinator.http('/api/v1/nothing')).status).toBe(404);
  });
});

describe('a silo that leaves', () => {
  it('is set aside after three missed heartbeats, and the round goes on without it', async () => {
    await coordinator.close();
    coordinator = await startTestCoordinator(folder, { heartbeatIntervalMs: 100, reconnectGraceMs: 0 });
    const { admin } = coordinator;
    const a = await joined('a');
    const b = await joined('b');
    const runId = await createRun(admin, specOf({ rounds: { count: 2, minSilos: 1, deadlineMs: 60_000 } }));
    await a.submit(await a.task(1), updateOf('a', 1));
    await b.submit(await b.task(1), updateOf('b', 1));
    await a.submit(await a.task(2), updateOf('a', 2));
    await b.task(2);
    b.close();
    const run = await untilRun(admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[1]?.updates.map(({ silo }) => silo)).toEqual(['a']);
    expect(run.rounds[1]?.failures).toMatchObject([{ silo: 'b', code: 'deadline_exceeded' }]);
    expect((await admin.listSilos({})).silos.map(({ connected }) => connected)).toEqual([true, false]);
  });

  it('gets its outstanding task again when it is back, under the same id', async () => {
    const { admin } = coordinator;
    const first = await joined('a');
    await joined('b');
    await createRun(admin, specOf({ rounds: { count: 1, minSilos: 2 } }));
    const { taskId } = await first.task(1);
    first.close();
    const again = await joined('a');
    expect((await again.task(1)).taskId).toBe(taskId);
  });

  it('that failed is reported, with its reason, and the round goes on', async () => {
    const { admin } = coordinator;
    const a = await joined('a');
    const b = await joined('b');
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    const { taskId } = await a.task(1);
    await a.calls.reportFailure({ silo: 'a', taskId, code: 'data_empty', message: 'no rows in train.csv' });
    await b.submit(await b.task(1), updateOf('b', 1));
    const run = await untilRun(admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[0]?.failures).toMatchObject([
      { silo: 'a', code: 'data_empty', message: 'no rows in train.csv' },
    ]);
    expect(await coordinator.metric('fedrot_task_failures_total{code="data_empty"}')).toBe(1);
  });
});
