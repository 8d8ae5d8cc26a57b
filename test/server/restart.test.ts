import { copyFileSync, existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FedrotError } from '../../src/errors.js';
import { performAggregation } from '../../src/server/aggregation/perform-aggregation.js';
import type { Aggregate } from '../../src/server/aggregation/aggregation-workers.js';
import {
  createRun,
  fetchAdapter,
  getRun,
  pushBundle,
  removeFolder,
  specOf,
  untilRun,
} from './support/harness.js';
import { chunksOf, encode } from './support/payload.js';
import { siloGroup, updateOf } from './support/silo-group.js';

/**
 * A coordinator that stops in each phase of a round and starts again on its data folder must end with the bytes that an
 * undisturbed one ends with. (The kill of a process is tested end to end; here each phase is met for certain.)
 */
const NAMES = ['a', 'b', 'c'];
const SPEC = specOf({
  rounds: { count: 2, minSilos: 3, deadlineMs: 60_000 },
  evaluation: { every: 1, timeoutMs: 60_000 },
});

const group = siloGroup(NAMES, ['e']);

async function score(version: number): Promise<void> {
  const evaluator = group.silo('e');
  const { taskId, evaluate } = await evaluator.assignment(
    (task) => task.evaluate?.adapter?.version === version,
  );
  const runId = evaluate?.runId ?? '';
  const result = { silo: 'e', taskId, runId, version, examples: 10, loss: 1, accuracy: 0.5 };
  await evaluator.calls.submitEvaluation(result);
}

async function setUp(aggregate?: Aggregate): Promise<string> {
  await group.setUp({ ...(aggregate && { aggregate }) });
  return createRun(group.coordinator.admin, SPEC);
}

async function resultOf(runId: string): Promise<string[]> {
  const run = await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
  expect(run.state).toBe('RUN_STATE_FINISHED');
  expect(run.rounds.map(({ updates }) => updates.map(({ silo }) => silo))).toEqual([NAMES, NAMES]);
  expect(run.evaluations.map(({ version }) => version)).toEqual([0, 1, 2]);
  const { adapters } = await group.coordinator.admin.listAdapters({ runId });
  for (const version of [0, 1, 2])
    expect((await fetchAdapter(group.coordinator.admin, runId, version)).length).toBeGreaterThan(0);
  return adapters.map(({ sha256 }) => sha256.toString('hex'));
}

/** Hashes of versions 0 to 2 of a run that nothing disturbs; updates come in another order than below. */
async function undisturbed(): Promise<string[]> {
  const runId = await setUp();
  await score(0);
  for (const round of [1, 2]) {
    for (const name of ['c', 'a', 'b']) await group.submit(name, round);
    await score(round);
  }
  const result = await resultOf(runId);
  await group.stop();
  await removeFolder(group.folder);
  return result;
}

const never: Aggregate = (_job, signal) =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => {
      reject(new FedrotError('cancelled', 'called off'));
    });
  });

describe('a coordinator that is stopped and started again', () => {
  it('while it waits for silos', async () => {
    await group.start();
    await pushBundle(group.coordinator.admin);
    const runId = await createRun(group.coordinator.admin, SPEC);
    await group.restart();
    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({ phase: 'waiting', round: 0 });
    await group.join();
    await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'collecting');
  });

  it('while it evaluates, collects, aggregates and publishes: the same adapters as undisturbed', async () => {
    const expected = await undisturbed();

    const runId = await setUp(never);
    await group.restart(); // evaluating version 0
    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({ phase: 'evaluating' });
    await group.join();
    await score(0);

    await group.submit('b', 1);
    const taskId = (await group.silo('a').task(1)).taskId;
    await group.stop();
    await group.start({ aggregate: never }); // collecting: one update in hand
    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({
      phase: 'collecting',
      silos: [{ state: 'assigned' }, { silo: 'b', state: 'done' }, { state: 'assigned' }],
    });
    await group.join();
    expect((await group.silo('a').task(1)).taskId).toBe(taskId);
    await group.submit('a', 1);
    await group.submit('c', 1);
    expect(group.silo('b').received).toEqual([]); // never asked again for what was accepted

    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({ phase: 'aggregating' });
    await group.restart(); // aggregating, with nothing written
    await group.join();
    await score(1);

    // Killed between the file and the transaction: the file is there, the version is not.
    await group.coordinator.close();
    group.leave();
    let written = '';
    const fileOnly: Aggregate = async (job, signal) => {
      const { sha256 } = performAggregation(job);
      copyFileSync(job.outputPath, join(dirname(job.outputPath), `${sha256}.safetensors`));
      written = sha256;
      return never(job, signal);
    };
    await group.start({ aggregate: fileOnly });
    await group.join();
    for (const name of NAMES) await group.submit(name, 2);
    await expect.poll(() => written, { timeout: 10_000 }).toBe(expected[2]);
    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({ phase: 'aggregating', round: 2 });
    await group.restart();
    await group.join();
    await score(2);
    expect(await resultOf(runId)).toEqual(expected);
  });

  it('in the middle of an upload: it continues from what is durable', async () => {
    await setUp();
    await score(0);
    const silo = group.silo('a');
    const task = await silo.task(1);
    const encoded = encode(updateOf('a', 1));
    const upload = silo.calls.submitUpdate(
      (async function* () {
        yield { begin: silo.begin(task, encoded) };
        yield* chunksOf(encoded.payload).slice(0, 2);
        await new Promise<never>(() => undefined);
      })(),
    );
    upload.catch(() => undefined);
    await expect
      .poll(() => group.coordinator.metric('fedrot_received_bytes_total{kind="update"}'))
      .toBe(8192);
    await group.restart();
    await group.join();
    const { runId } = task.train;
    const { durableBytes } = await group.silo('a').calls.getUploadStatus({
      runId,
      round: 1,
      silo: 'a',
      sha256: encoded.sha256,
    });
    expect(durableBytes).toBe(8192);
    await group.silo('a').submit(await group.silo('a').task(1), updateOf('a', 1), { offset: durableBytes });
    expect((await getRun(group.coordinator.admin, runId)).silos[0]).toMatchObject({
      silo: 'a',
      state: 'done',
    });
  });

  it('lets an upload under way finish, and takes no new one', async () => {
    const runId = await setUp();
    await score(0);
    const silo = group.silo('a');
    const task = await silo.task(1);
    let go: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const [begin, ...rest] = silo.messages(task, updateOf('a', 1));
    const upload = silo.calls.submitUpdate(
      (async function* () {
        yield begin ?? {};
        yield* rest.slice(0, 1);
        await gate;
        yield* rest.slice(1);
      })(),
    );
    await expect
      .poll(() => group.coordinator.metric('fedrot_received_bytes_total{kind="update"}'))
      .toBe(4096);
    const closing = group.coordinator.close();
    expect((await group.coordinator.http('/readyz')).status).toBe(503);
    await expect(
      group.silo('b').submit(await group.silo('b').task(1), updateOf('b', 1)),
    ).rejects.toMatchObject({
      code: 'unavailable',
    });
    go();
    expect(await upload).toMatchObject({ alreadyKnown: false });
    await closing;
    group.leave();
    await group.start();
    expect((await getRun(group.coordinator.admin, runId)).silos[0]).toMatchObject({
      silo: 'a',
      state: 'done',
    });
  });

  it('with a damaged update in its spool: the run fails and says why, nothing is published', async () => {
    const runId = await setUp(never);
    await score(0);
    for (const name of NAMES) await group.submit(name, 1);
    await group.stop();
    const file = join(
      group.folder,
      'tensors',
      `${encode(updateOf('b', 1)).sha256.toString('hex')}.safetensors`,
    );
    expect(existsSync(file)).toBe(true);
    truncateSync(file, 1000);
    await group.start();
    const run = await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run).toMatchObject({ state: 'RUN_STATE_FAILED', rounds: [] });
    expect(run.reason).toContain('storage_corrupt');
  });

  it('with an update that was changed while the others were still at work: the same, without a restart', async () => {
    const runId = await setUp();
    await score(0);
    await group.submit('b', 1);
    const { sha256 } = encode(updateOf('b', 1));
    const file = join(group.folder, 'tensors', `${sha256.toString('hex')}.safetensors`);
    const bytes = readFileSync(file);
    bytes[bytes.length - 4]! ^= 1; // a number that is as good as the right one
    writeFileSync(file, bytes);
    for (const name of NAMES.filter((each) => each !== 'b')) await group.submit(name, 1);
    const run = await untilRun(group.coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run).toMatchObject({ state: 'RUN_STATE_FAILED', rounds: [] });
    expect(run.reason).toContain('storage_corrupt');
    expect(run.reason).toContain('update of b');
  });

  it('leaves no temporary files behind', async () => {
    const runId = await setUp();
    await score(0);
    for (const round of [1, 2]) {
      for (const name of NAMES) await group.submit(name, round);
      await score(round);
    }
    await resultOf(runId);
    const files = readdirSync(join(group.folder, 'tensors'));
    expect(files.filter((name) => name.startsWith('temp-'))).toEqual([]);
    expect(files.filter((name) => name.endsWith('.safetensors'))).toHaveLength(3 + 6);
    expect(readdirSync(join(group.folder, 'tensors', 'partial', runId))).toEqual([]);
  });
});
