import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAdminClient, type RpcClient } from '../../src/rpc/client.js';
import type { AdminCalls } from '../../src/rpc/services.js';
import { checkData } from '../../src/server/backup/check-data.js';
import { workerUrl } from '../../src/worker-url.js';
import { FakeSilo } from './support/fake-silo.js';
import {
  createRun,
  factors,
  getRun,
  pushBundle,
  removeFolder,
  specOf,
  tempFolder,
  untilRun,
} from './support/harness.js';

/**
 * A coordinator in a process of its own whose disk becomes full or read-only while it works, by the fault layer of the chaos test: permissions
 * of the file system would not bind a test that runs as root.
 */
let folder: string;
let child: ChildProcess | undefined;
let admin: RpcClient<AdminCalls> | undefined;
const silos: FakeSilo[] = [];

beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(async () => {
  for (const silo of silos.splice(0)) silo.close();
  admin?.close();
  child?.kill('SIGKILL');
  await removeFolder(folder);
});

const data = (): string => join(folder, 'data');
const control = (): string => join(folder, 'control');

/** From the next look of the process at its control file on. */
async function disk(state: 'works' | 'full' | 'read-only'): Promise<void> {
  const fails = state === 'works' ? { diskFull: 0 } : { diskFull: 1, disk: state };
  writeFileSync(control(), JSON.stringify({ offsetMs: 0, ...fails }));
  await sleep(200);
}

async function start(): Promise<string> {
  await disk('works');
  const of = (file: string): string =>
    JSON.stringify(workerUrl(import.meta.url.replace('/test/server/', '/src/server/'), file).href);
  const script = `
    import { startCoordinator } from ${of('./start.js')};
    import { parseCoordinatorConfig } from ${of('./config.js')};
    const options = { dataFolder: ${JSON.stringify(data())}, grpc: { port: 0 }, http: { port: 0 } };
    const { grpcPort } = await startCoordinator(parseCoordinatorConfig(options));
    console.log(grpcPort);
    setInterval(() => undefined, 1000);`;
  const faults = new URL('../chaos/preload/faults.mjs', import.meta.url).href;
  // A file: worker threads take the process's arguments over, and could not be told to run a script of the command line.
  const file = join(folder, 'start.mjs');
  writeFileSync(file, script);
  child = spawn(process.execPath, ['--import', faults, file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, FEDROT_CHAOS_CONTROL: control() },
  });
  if (!child.stdout) throw new Error('no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return `127.0.0.1:${line}`;
}

describe.each([
  ['full', 'storage_full', /disk is full/],
  ['read-only', 'storage_failed', /cannot be written/],
] as const)('a disk that is %s', (state, code, words) => {
  it('is said clearly; nothing is acknowledged or published, and work goes on when it can be written again', async () => {
    const address = await start();
    admin = createAdminClient({ address });
    await pushBundle(admin);
    for (const name of ['a', 'b']) silos.push(await new FakeSilo(name, address).join());
    const [a, b] = silos as [FakeSilo, FakeSilo];
    const rounds = { count: 2, minSilos: 2, deadlineMs: 60_000 };
    const runId = await createRun(admin, specOf({ rounds }));
    await a.submit(await a.task(1), factors(1));

    await disk(state);
    const refused = { code, message: expect.stringMatching(words) as string };
    await expect(b.submit(await b.task(1), factors(2))).rejects.toMatchObject(refused);
    await expect(createRun(admin, specOf({ name: 'other', rounds }))).rejects.toMatchObject(refused);
    await expect(admin.stopRun({ runId, reason: 'why' })).rejects.toMatchObject(refused);
    expect(await getRun(admin, runId)).toMatchObject({
      phase: 'collecting',
      silos: [{ state: 'done' }, { silo: 'b', state: 'assigned' }],
    });
    expect((await admin.listRuns({})).runs).toHaveLength(1);

    await disk('works');
    await b.submit(await b.task(1), factors(2));
    await untilRun(admin, runId, (run) => run.version >= 1);
    for (const [i, silo] of [a, b].entries()) await silo.submit(await silo.task(2), factors(3 + i));
    const run = await untilRun(admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds.map(({ updates }) => updates.length)).toEqual([2, 2]);
    expect((await checkData(data())).flatMap(({ problems }) => problems)).toEqual([]);
  });
});
