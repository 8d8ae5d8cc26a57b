import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FedrotError } from '../../src/errors.js';
import type { Diagnose } from '../../src/server/aggregation/aggregation-workers.js';
import { performDiagnosis } from '../../src/server/aggregation/perform-diagnosis.js';
import { createRun, getRun, specOf, untilMeasured, untilRun } from './support/harness.js';
import { siloGroup } from './support/silo-group.js';

const NAMES = ['a', 'b'];
const group = siloGroup(NAMES);

async function setUp(rounds: number, diagnose: Diagnose): Promise<string> {
  await group.setUp({ diagnose });
  return createRun(group.coordinator.admin, specOf({ rounds: { count: rounds, minSilos: 2 } }));
}

async function play(runId: string, round: number): Promise<void> {
  for (const name of NAMES) await group.submit(name, round);
  await untilRun(group.coordinator.admin, runId, ({ version }) => version >= round);
}

/** Diagnoses that somebody lets go, one after the other; one let go before it was asked for does not wait. */
function held(): { diagnose: Diagnose; asked: number[]; release: () => void } {
  const asked: number[] = [];
  const waiting: (() => void)[] = [];
  let early = 0;
  return {
    asked,
    release: () => {
      const next = waiting.shift();
      if (next) next();
      else early++;
    },
    diagnose: (job, signal) =>
      new Promise((resolve, reject) => {
        const callOff = (): void => reject(new FedrotError('cancelled', 'called off'));
        asked.push(job.round);
        if (signal.aborted) callOff();
        else if (early > 0) resolve(performDiagnosis(job));
        else waiting.push(() => resolve(performDiagnosis(job)));
        early = Math.max(0, early - 1);
        signal.addEventListener('abort', callOff);
      }),
  };
}

const states = async (runId: string): Promise<string[]> =>
  (await getRun(group.coordinator.admin, runId)).rounds.map(({ diagnosis }) => diagnosis);

describe('a round is measured after it is published', () => {
  it('no round waits for the diagnosis of one before; every one comes, in order, and watchers hear of it', async () => {
    const { diagnose, asked, release } = held();
    const runId = await setUp(3, diagnose);
    for (const round of [1, 2, 3]) await play(runId, round);
    await expect.poll(() => asked).toEqual([1]);
    const run = await getRun(group.coordinator.admin, runId);
    expect(run).toMatchObject({ phase: 'done', state: 'RUN_STATE_FINISHED' });
    expect(run.rounds).toMatchObject([1, 2, 3].map(() => ({ diagnosis: 'pending', diagnosticsJson: '' })));
    expect(await group.coordinator.metric('fedrot_diagnoses_pending')).toBe(3);
    const { body } = await group.coordinator.http(`/api/v1/runs/${runId}/series`);
    expect((JSON.parse(body) as { rounds: unknown[] }).rounds[0]).toMatchObject({
      diagnosis: 'pending',
      aggregationError: null,
    });

    // Whoever follows the run hears of every diagnosis, and the stream ends with the last.
    const heard: string[] = [];
    const watching = (async () => {
      for await (const { run: seen } of group.coordinator.admin.watchRun({ runId })) {
        heard.push(seen?.rounds.map(({ diagnosis }) => diagnosis).join(' ') ?? '');
        release();
      }
    })();
    await watching;
    expect(heard[0]).toBe('pending pending pending');
    expect(heard.at(-1)).toBe('done done done');
    expect(asked).toEqual([1, 2, 3]);
    const after = await group.coordinator.http(`/api/v1/runs/${runId}/series`);
    const { rounds } = JSON.parse(after.body) as { rounds: { aggregationError: number }[] };
    expect(rounds.every(({ aggregationError }) => aggregationError > 0)).toBe(true);
  });

  it('after a restart those that are missing are done from the stored updates', async () => {
    const { diagnose } = held();
    const runId = await setUp(2, diagnose);
    for (const round of [1, 2]) await play(runId, round);
    await group.restart();
    const run = await untilMeasured(group.coordinator.admin, runId);
    for (const { diagnosticsJson } of run.rounds)
      expect((JSON.parse(diagnosticsJson) as { aggregationError: number }).aggregationError).toBeGreaterThan(
        0,
      );
  });

  it('updates stay until their round is measured, whatever the retention', async () => {
    const { diagnose } = held();
    const runId = await setUp(1, diagnose);
    await play(runId, 1);
    await group.stop();
    const again = held();
    await group.start({ diagnose: again.diagnose }, group.folder, { retention: { keepUpdatesMs: 0 } });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    again.release();
    await untilMeasured(group.coordinator.admin, runId);
    expect(await states(runId)).toEqual(['done']);
  });

  it('one that fails is said, and fails no round', async () => {
    const diagnose: Diagnose = (job) => {
      if (job.round === 1) return Promise.reject(new FedrotError('tensor_not_finite', 'beyond float64'));
      return Promise.resolve(performDiagnosis(job));
    };
    const runId = await setUp(2, diagnose);
    for (const round of [1, 2]) await play(runId, round);
    const run = await untilMeasured(group.coordinator.admin, runId);
    expect(run.state).toBe('RUN_STATE_FINISHED');
    expect(run.rounds.map(({ diagnosis }) => diagnosis)).toEqual(['failed', 'done']);
    expect(await group.coordinator.metric('fedrot_diagnosis_failures_total{code="tensor_not_finite"}')).toBe(
      1,
    );
    const { events } = await group.coordinator.admin.listEvents({ runId, minLevel: 'warn' });
    expect(events).toMatchObject([{ kind: 'round.diagnosis-failed', round: 1, code: 'tensor_not_finite' }]);
    expect(events[0]?.message).toContain('will not be known: beyond float64');
    expect(events[0]?.seq).toBeLessThanOrEqual(run.lastEvent);
  });

  it('an update that is gone is no reason to try again', async () => {
    const { diagnose } = held();
    const runId = await setUp(1, diagnose);
    await play(runId, 1);
    const [update] = (await getRun(group.coordinator.admin, runId)).rounds[0]?.updates ?? [];
    await group.stop();
    rmSync(join(group.folder, 'tensors', `${Buffer.from(update?.sha256 ?? []).toString('hex')}.safetensors`));
    await group.start();
    await untilMeasured(group.coordinator.admin, runId);
    expect(await states(runId)).toEqual(['failed']);
    expect((await group.coordinator.admin.listEvents({ runId, minLevel: 'warn' })).events).toMatchObject([
      { kind: 'round.diagnosis-failed', code: 'storage_corrupt' },
    ]);
  });
});
