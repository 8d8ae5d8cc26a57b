import { copyFileSync, existsSync, readdirSync, truncateSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FedrotError } from '../../src/errors.js';
import { performAggregation } from '../../src/server/aggregation/perform-aggregation.js';
import type { Aggregate } from '../../src/server/aggregation/aggregation-workers.js';
import { FakeSilo } from './support/fake-silo.js';
import {
  createRun,
  factors,
  fetchAdapter,
  getRun,
  pushBundle,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
  type TestCoordinator,
} from './support/harness.js';
import { chunksOf, encode } from './support/payload.js';

/**
 * A coordinator that stops in each phase of a round and starts again on its data folder must end with the bytes that an
 * undisturbed one ends with. (The kill of a process is tested end to end; here each phase is met for certain.)
 */
const NAMES = ['a', 'b', 'c'];
const updateOf = (name: string, round: number) => factors(name.charCodeAt(0) * 10 + round);
const SPEC = specOf({
  rounds: { count: 2, minSilos: 3, deadlineMs: 60_000 },
  evaluation: { every: 1, timeoutMs: 60_000 },
});

let folder: string;
let coordinator: TestCoordinator;
let silos: FakeSilo[] = [];

beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(async () => {
  leave();
  await coordinator.close();
  await removeFolder(folder);
});

function leave(): void {
  for (const silo of silos.splice(0)) silo.close();
}

async function start(aggregate?: Aggregate): Promise<void> {
  coordinator = await startTestCoordinator(folder, {}, { ...(aggregate && { aggregate }) });
}

async function joinAll(): Promise<void> {
  silos = await Promise.all(NAMES.map((name) => new FakeSilo(name, coordinator.address).join()));
  silos.push(await new FakeSilo('e', coordinator.address).join('EVALUATOR'));
}

function siloOf(name: string): FakeSilo {
  const silo = silos.find((candidate) => candidate.name === name);
  if (!silo) throw new Error(`no silo ${name}`);
  return silo;
}

async function submit(name: string, round: number): Promise<void> {
  await siloOf(name).submit(await siloOf(name).task(round), updateOf(name, round));
}

async function score(version: number): Promise<void> {
  const evaluator = siloOf('e');
  const { taskId, evaluate } = await evaluator.assignment(
    (task) => task.evaluate?.adapter?.version === version,
  );
  const runId = evaluate?.runId ?? '';
  const result = { silo: 'e', taskId, runId, version, examples: 10, loss: 1, accuracy: 0.5 };
  await evaluator.calls.submitEvaluation(result);
}

async function setUp(aggregate?: Aggregate): Promise<string> {
  await start(aggregate);
  await pushBundle(coordinator.admin);
  await joinAll();
  return createRun(coordinator.admin, SPEC);
}

async function restart(): Promise<void> {
  leave();
  await coordinator.close();
  await start();
}

async function resultOf(runId: string): Promise<string[]> {
  const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
  expect(run.state).toBe('RUN_STATE_FINISHED');
  expect(run.rounds.map(({ updates }) => updates.map(({ silo }) => silo))).toEqual([NAMES, NAMES]);
  expect(run.evaluations.map(({ version }) => version)).toEqual([0, 1, 2]);
  const { adapters } = await coordinator.admin.listAdapters({ runId });
  for (const version of [0, 1, 2])
    expect((await fetchAdapter(coordinator.admin, runId, version)).length).toBeGreaterThan(0);
  return adapters.map(({ sha256 }) => sha256.toString('hex'));
}

/** Hashes of versions 0 to 2 of a run that nothing disturbs; updates come in another order than below. */
async function undisturbed(): Promise<string[]> {
  const runId = await setUp();
  await score(0);
  for (const round of [1, 2]) {
    for (const name of ['c', 'a', 'b']) await submit(name, round);
    await score(round);
  }
  const result = await resultOf(runId);
  leave();
  await coordinator.close();
  await removeFolder(folder);
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
    await start();
    await pushBundle(coordinator.admin);
    const runId = await createRun(coordinator.admin, SPEC);
    await restart();
    expect(await getRun(coordinator.admin, runId)).toMatchObject({ phase: 'waiting', round: 0 });
    await joinAll();
    await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'collecting');
  });

  it('while it evaluates, collects, aggregates and publishes: the same adapters as undisturbed', async () => {
    const expected = await undisturbed();

    const runId = await setUp(never);
    await restart(); // evaluating version 0
    expect(await getRun(coordinator.admin, runId)).toMatchObject({ phase: 'evaluating' });
    await joinAll();
    await score(0);

    await submit('b', 1);
    const taskId = (await siloOf('a').task(1)).taskId;
    leave();
    await coordinator.close();
    await start(never); // collecting: one update in hand
    expect(await getRun(coordinator.admin, runId)).toMatchObject({
      phase: 'collecting',
      silos: [{ state: 'assigned' }, { silo: 'b', state: 'done' }, { state: 'assigned' }],
    });
    await joinAll();
    expect((await siloOf('a').task(1)).taskId).toBe(taskId);
    await submit('a', 1);
    await submit('c', 1);
    expect(siloOf('b').received).toEqual([]); // never asked again for what was accepted

    expect(await getRun(coordinator.admin, runId)).toMatchObject({ phase: 'aggregating' });
    await restart(); // aggregating, with nothing written
    await joinAll();
    await score(1);

    // Killed between the file and the transaction: the file is there, the version is not.
    await coordinator.close();
    leave();
    let written = '';
    const fileOnly: Aggregate = async (job, signal) => {
      const { sha256 } = performAggregation(job);
      copyFileSync(job.outputPath, join(dirname(job.outputPath), `${sha256}.safetensors`));
      written = sha256;
      return never(job, signal);
    };
    await start(fileOnly);
    await joinAll();
    for (const name of NAMES) await submit(name, 2);
    await expect.poll(() => written, { timeout: 10_000 }).toBe(expected[2]);
    expect(await getRun(coordinator.admin, runId)).toMatchObject({ phase: 'aggregating', round: 2 });
    await restart();
    await joinAll();
    await score(2);
    expect(await resultOf(runId)).toEqual(expected);
  });

  it('in the middle of an upload: it continues from what is durable', async () => {
    await setUp();
    await score(0);
    const silo = siloOf('a');
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
    await expect.poll(() => coordinator.metric('fedrot_received_bytes_total{kind="update"}')).toBe(8192);
    await restart();
    await joinAll();
    const { runId } = task.train;
    const { durableBytes } = await siloOf('a').calls.getUploadStatus({
      runId,
      round: 1,
      silo: 'a',
      sha256: encoded.sha256,
    });
    expect(durableBytes).toBe(8192);
    await siloOf('a').submit(await siloOf('a').task(1), updateOf('a', 1), { offset: durableBytes });
    expect((await getRun(coordinator.admin, runId)).silos[0]).toMatchObject({ silo: 'a', state: 'done' });
  });

  it('lets an upload under way finish, and takes no new one', async () => {
    const runId = await setUp();
    await score(0);
    const silo = siloOf('a');
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
    await expect.poll(() => coordinator.metric('fedrot_received_bytes_total{kind="update"}')).toBe(4096);
    const closing = coordinator.close();
    expect((await coordinator.http('/readyz')).status).toBe(503);
    await expect(siloOf('b').submit(await siloOf('b').task(1), updateOf('b', 1))).rejects.toMatchObject({
      code: 'unavailable',
    });
    go();
    expect(await upload).toMatchObject({ alreadyKnown: false });
    await closing;
    leave();
    await start();
    expect((await getRun(coordinator.admin, runId)).silos[0]).toMatchObject({ silo: 'a', state: 'done' });
  });

  it('with a damaged update in its spool: the run fails and says why, nothing is published', async () => {
    const runId = await setUp(never);
    await score(0);
    for (const name of NAMES) await submit(name, 1);
    leave();
    await coordinator.close();
    const file = join(folder, 'tensors', `${encode(updateOf('b', 1)).sha256.toString('hex')}.safetensors`);
    expect(existsSync(file)).toBe(true);
    truncateSync(file, 1000);
    await start();
    const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run).toMatchObject({ state: 'RUN_STATE_FAILED', rounds: [] });
    expect(run.reason).toContain('storage_corrupt');
  });

  it('leaves no temporary files behind', async () => {
    const runId = await setUp();
    await score(0);
    for (const round of [1, 2]) {
      for (const name of NAMES) await submit(name, round);
      await score(round);
    }
    await resultOf(runId);
    const files = readdirSync(join(folder, 'tensors'));
    expect(files.filter((name) => name.startsWith('temp-'))).toEqual([]);
    expect(files.filter((name) => name.endsWith('.safetensors'))).toHaveLength(3 + 6);
    expect(readdirSync(join(folder, 'tensors', 'partial', runId))).toEqual([]);
  });
});
