import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { replayRound } from '../../src/cli/audit/replay.js';
import { FedrotError } from '../../src/errors.js';
import { readRounds } from '../../src/evidence/round-files.js';
import { parseSignedRound, type RoundManifest } from '../../src/evidence/round-manifest.js';
import type { RunSpecInput } from '../../src/run-spec.js';
import type { Aggregate } from '../../src/server/aggregation/aggregation-workers.js';
import { checkData } from '../../src/server/backup/check-data.js';
import { createRun, getRun, pushBundle, specOf, untilRun } from './support/harness.js';
import { siloGroup, updateOf } from './support/silo-group.js';

/** Updates that began from an older version: through the real service, the aggregation's worker, evidence and audit. */
const group = siloGroup(['a', 'b', 'c']);
let runId: string;

async function setUp(rounds: RunSpecInput['rounds'], aggregate?: Aggregate): Promise<void> {
  await group.setUp({ ...(aggregate && { aggregate }) });
  const options = { lambda: 1 };
  runId = await createRun(
    group.coordinator.admin,
    specOf({ rounds, aggregation: { method: 'fedrot', options } }),
  );
}

async function restart(): Promise<void> {
  await group.restart();
  await group.join();
}

async function published(version: number): Promise<void> {
  await untilRun(group.coordinator.admin, runId, (run) => run.version >= version);
}

/** Every round again from what is recorded; and the folder as a whole. */
async function audited(): Promise<RoundManifest[]> {
  const texts = await readRounds(join(group.folder, 'evidence', runId));
  const manifests = texts.map((text) => parseSignedRound(text).manifest);
  const pathOf = (sha256: string): string => join(group.folder, 'tensors', `${sha256}.safetensors`);
  for (const manifest of manifests)
    expect(replayRound(manifest, pathOf)).toMatchObject({ expected: manifest.result.sha256, computed: manifest.result.sha256 }); // prettier-ignore
  expect((await checkData(group.folder)).flatMap(({ problems }) => problems)).toEqual([]);
  return manifests;
}

const ageOf = ({ updates }: RoundManifest): string[] =>
  updates.map(({ silo, stale }) => `${silo} ${stale === undefined ? 'new' : `from ${stale.version}`}`);

const never: Aggregate = (_job, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(new FedrotError('cancelled', 'called off'));
    });
  });

describe('rounds.late: carry', () => {
  const rounds = { count: 3, minSilos: 2, updates: 2, deadlineMs: 60_000, late: 'carry' } as const;

  it('counts the late update once, in the next round, by its weight; what was published is recomputed from the records', async () => {
    await setUp(rounds);
    await group.submit('a', 1);
    await group.submit('b', 1);
    await published(1);
    const task = await group.submit('c', 1); // late
    expect(task.train.adapter?.version).toBe(0);
    await group.submit('a', 2);
    expect(await group.silo('c').submit(task, updateOf('c', 1))).toEqual(
      expect.objectContaining({ alreadyKnown: true }),
    );
    await group.submit('b', 2);
    await published(2);
    for (const name of ['a', 'b']) await group.submit(name, 3);
    const run = await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.state).toBe('RUN_STATE_FINISHED');
    expect(run.rounds.map(({ updates }) => updates.map(({ silo, staleness }) => [silo, staleness]))).toEqual([
      [['a', 0], ['b', 0]],
      [['a', 0], ['b', 0], ['c', 1]],
      [['a', 0], ['b', 0]],
    ]); // prettier-ignore
    const manifests = await audited();
    expect(manifests.map(ageOf)).toEqual([
      ['a new', 'b new'],
      ['a new', 'b new', 'c from 0'],
      ['a new', 'b new'],
    ]);
    expect(manifests[1]?.updates[2]?.stale?.scale).toBeCloseTo(Math.SQRT1_2, 12);
    const { events } = await group.coordinator.admin.listEvents({ runId });
    expect(events.filter(({ kind }) => kind === 'task.carried')).toMatchObject([{ silo: 'c', round: 1 }]);
    expect(await group.coordinator.metric(`fedrot_update_staleness_versions_sum{run="${runId}"}`)).toBe(1);
    // Another weight would have given another adapter: the record is what is used.
    const stale = manifests[1]!.updates[2]!.stale!;
    const other = structuredClone(manifests[1]!);
    other.updates[2]!.stale = { ...stale, scale: 1 };
    const pathOf = (sha256: string): string => join(group.folder, 'tensors', `${sha256}.safetensors`);
    expect(replayRound(other, pathOf).computed).not.toBe(manifests[1]!.result.sha256);
  });

  it('takes it while the version is being published, and keeps it over a restart', async () => {
    await setUp(rounds, never);
    await group.submit('a', 1);
    await group.submit('b', 1);
    await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'aggregating');
    await group.submit('c', 1);
    await restart();
    await published(1);
    expect((await getRun(group.coordinator.admin, runId)).silos).toMatchObject([
      { silo: 'a', state: 'assigned' },
      { silo: 'b', state: 'assigned' },
      { silo: 'c', state: 'done' },
    ]);
    for (const name of ['a', 'b']) await group.submit(name, 2);
    await published(2);
    expect((await audited()).map(ageOf)[1]).toEqual(['a new', 'b new', 'c from 0']);
  });

  it('continues a late upload where it broke, over a restart too', async () => {
    await setUp(rounds);
    const silo = group.silo('c');
    const task = await silo.task(1);
    const [begin, ...rest] = silo.messages(task, updateOf('c', 1));
    const upload = silo.calls.submitUpdate(
      (async function* () {
        yield begin ?? {};
        yield* rest.slice(0, 2);
        await new Promise<never>(() => undefined);
      })(),
    );
    upload.catch(() => undefined);
    await expect
      .poll(() => group.coordinator.metric('fedrot_received_bytes_total{kind="update"}'))
      .toBe(8192);
    await group.submit('a', 1);
    await group.submit('b', 1);
    await published(1);
    await restart();
    const again = await group.silo('c').task(1);
    expect(again.taskId).toBe(task.taskId);
    const sha256 = begin?.begin?.sha256 as Buffer;
    const { durableBytes } = await group
      .silo('c')
      .calls.getUploadStatus({ runId, round: 1, silo: 'c', sha256 });
    expect(durableBytes).toBe(8192);
    await group.silo('c').submit(again, updateOf('c', 1), { offset: durableBytes });
    for (const name of ['a', 'b']) await group.submit(name, 2);
    await published(2);
    expect((await audited()).map(ageOf)[1]).toEqual(['a new', 'b new', 'c from 0']);
  });

  it('refuses, as ever, where the run does not carry', async () => {
    await setUp({ ...rounds, late: 'refuse' });
    const task = await group.silo('c').task(1);
    await group.submit('a', 1);
    await group.submit('b', 1);
    await published(1);
    await expect(group.silo('c').submit(task, updateOf('c', 1))).rejects.toMatchObject({
      code: 'round_closed',
    });
  });
});

describe('rounds.mode: async', () => {
  const rounds = { count: 4, minSilos: 1, updates: 2, deadlineMs: 60_000, mode: 'async' } as const;

  it('publishes after K updates of any age, gives new work at once, and goes on after a restart', async () => {
    await setUp(rounds);
    await group.submit('a', 1);
    expect((await group.silo('a').task(2)).train.adapter?.version).toBe(0); // nobody else has delivered yet
    await group.submit('b', 1);
    await published(1);
    await restart();
    expect((await group.silo('c').task(1)).train.adapter?.version).toBe(0); // as before
    expect((await group.silo('a').task(2)).train.adapter?.version).toBe(0);
    await group.submit('a', 2); // one version old
    await group.submit('b', 2);
    await published(2);
    await group.submit('c', 1); // two versions old
    await group.submit('b', 3);
    await published(3);
    const task = await group.silo('a').task(3);
    await group.silo('a').submit(task, updateOf('a', 3));
    await group.submit('b', 4);
    const run = await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.state).toBe('RUN_STATE_FINISHED');
    const manifests = await audited();
    expect(manifests.map(({ updates }) => updates.length)).toEqual([2, 2, 2, 2]);
    expect(manifests.map(ageOf).slice(0, 3)).toEqual([
      ['a new', 'b new'],
      ['a from 0', 'b new'],
      ['b new', 'c from 0'],
    ]);
    expect(manifests[2]?.updates[1]?.stale?.scale).toBeCloseTo(3 ** -0.5, 12);
  });

  it('is refused for methods and settings that cannot serve it, when the run is created', async () => {
    await group.start();
    await pushBundle(group.coordinator.admin);
    for (const aggregation of [
      { method: 'rolora' },
      { method: 'flora' },
      { method: 'fedex' },
      { method: 'fedrot', options: { where: 'silo', lambda: 1 } },
    ])
      await expect(createRun(group.coordinator.admin, specOf({ rounds, aggregation }))).rejects.toMatchObject(
        {
          code: 'option_invalid',
          message: expect.stringMatching(/older version.*methods that can: fedrot,/s) as string,
        },
      );
    await expect(
      createRun(group.coordinator.admin, specOf({ rounds, training: { start: 'own' } })),
    ).rejects.toMatchObject({ code: 'option_invalid' });
  });
});
