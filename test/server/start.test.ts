import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAdminClient } from '../../src/rpc/client.js';
import { parseCoordinatorConfig } from '../../src/server/config.js';
import { startCoordinator } from '../../src/server/start.js';
import { workerUrl } from '../../src/worker-url.js';
import { FakeSilo } from './support/fake-silo.js';
import {
  createRun,
  factors,
  pushBundle,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
  type TestCoordinator,
} from './support/harness.js';

let folder: string;
let coordinator: TestCoordinator | undefined;
let child: ChildProcess | undefined;
const silos: FakeSilo[] = [];

beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(async () => {
  for (const silo of silos.splice(0)) silo.close();
  child?.kill('SIGKILL');
  await coordinator?.close();
  coordinator = undefined;
  await removeFolder(folder);
});

/** A coordinator in a process of its own; resolves with its gRPC port. */
async function startProcess(): Promise<number> {
  const start = workerUrl(import.meta.url.replace('/test/server/', '/src/server/'), './start.js').href;
  const config = workerUrl(import.meta.url.replace('/test/server/', '/src/server/'), './config.js').href;
  const script = `
    import { startCoordinator } from ${JSON.stringify(start)};
    import { parseCoordinatorConfig } from ${JSON.stringify(config)};
    const options = { dataFolder: ${JSON.stringify(folder)}, grpc: { port: 0 }, http: { port: 0 } };
    const { grpcPort } = await startCoordinator(parseCoordinatorConfig(options));
    console.log(grpcPort);
    setInterval(() => undefined, 1000);`;
  child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (!child.stdout) throw new Error('no output');
  const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
  return Number(line);
}

async function join(name: string, address: string): Promise<FakeSilo> {
  const silo = await new FakeSilo(name, address).join();
  silos.push(silo);
  return silo;
}

describe('startCoordinator', () => {
  it('carries on after a SIGKILL: what was acknowledged is there, nobody is asked for it again', async () => {
    const address = `127.0.0.1:${await startProcess()}`;
    const admin = createAdminClient({ address });
    await pushBundle(admin);
    const a = await join('a', address);
    await join('b', address);
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 2, deadlineMs: 60_000 } }));
    await a.submit(await a.task(1), factors(5));
    child?.kill('SIGKILL');
    await once(child ?? process, 'exit');
    admin.close();

    coordinator = await startTestCoordinator(folder);
    const again = await join('a', coordinator.address);
    const b = await join('b', coordinator.address);
    await b.submit(await b.task(1), factors(6));
    const run = await untilRun(coordinator.admin, runId, ({ phase }) => phase === 'done');
    expect(run.rounds[0]?.updates.map(({ silo }) => silo)).toEqual(['a', 'b']);
    expect(again.received.filter(({ train }) => train !== undefined && train !== null)).toEqual([]);
  });

  it('refuses a folder that another coordinator uses, and an address that is taken, and leaves nothing open', async () => {
    coordinator = await startTestCoordinator(folder);
    await expect(startTestCoordinator(folder)).rejects.toMatchObject({ code: 'already_exists' });
    const other = await tempFolder();
    const config = (grpc: number, http: number) =>
      parseCoordinatorConfig({ dataFolder: other, grpc: { port: grpc }, http: { port: http } });
    const { grpcPort, httpPort } = coordinator.running;
    await expect(startCoordinator(config(grpcPort, 0))).rejects.toMatchObject({ code: 'unavailable' });
    await expect(startCoordinator(config(0, httpPort))).rejects.toMatchObject({ code: 'unavailable' });
    await (await startCoordinator(config(0, 0))).close();
    await removeFolder(other);
  });

  it('can be closed twice', async () => {
    const { running, admin } = await startTestCoordinator(folder);
    admin.close();
    await Promise.all([running.close(), running.close()]);
  });

  it('asks its identity who is calling, and lets an application add HTTP routes', async () => {
    const asked: string[] = [];
    coordinator = await startTestCoordinator(
      folder,
      {},
      {
        identity: {
          silo: (claimed, { method }) => {
            asked.push(`${claimed} ${method}`);
            return 'by-certificate';
          },
          operator: (permission, { method }) => {
            asked.push(`${permission} ${method}`);
            return 'someone';
          },
        },
        extendHttp: (app) => app.get('/extra', (context) => context.text('more')),
      },
    );
    const silo = await join('whoever', coordinator.address);
    silo.close();
    const { silos: known } = await coordinator.admin.listSilos({});
    expect(known.map((entry) => entry.silo)).toEqual(['by-certificate']);
    expect(asked).toContain('whoever register');
    expect(asked).toContain('view listSilos');
    expect((await coordinator.http('/extra')).body).toBe('more');
  });
});
