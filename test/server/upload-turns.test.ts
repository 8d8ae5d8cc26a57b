import { afterEach, expect, it } from 'vitest';
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

const silos: FakeSilo[] = [];
let coordinator: TestCoordinator | undefined;
let folder = '';
afterEach(async () => {
  for (const silo of silos.splice(0)) silo.close();
  await coordinator?.close();
  await removeFolder(folder);
});

it('takes uploads in turn, and an upload whose link stands still holds up nobody', async () => {
  folder = await tempFolder();
  coordinator = await startTestCoordinator(folder, { limits: { maxUploadsAtOnce: 1 } });
  await pushBundle(coordinator.admin);
  const names = ['a', 'b', 'c'];
  for (const name of names) silos.push(await new FakeSilo(name, coordinator.address).join());
  const runId = await createRun(
    coordinator.admin,
    specOf({ rounds: { count: 1, minSilos: 3, deadlineMs: 60_000 } }),
  );
  const [slow, ...others] = silos as [FakeSilo, ...FakeSilo[]];
  // The first one has the only place, and stops in the middle until the others are done.
  let goOn = (): void => undefined;
  const waits = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const messages = slow.messages(await slow.task(1), factors(10));
  const halting = async function* () {
    for (const [index, message] of messages.entries()) {
      if (index === 2) await waits;
      yield message;
    }
  };
  const stalled = slow.calls.submitUpdate(halting());
  await Promise.all(others.map(async (silo, i) => silo.submit(await silo.task(1), factors(20 + i))));
  goOn();
  expect((await stalled).alreadyKnown).toBe(false);
  const run = await untilRun(coordinator.admin, runId, ({ version }) => version === 1);
  expect(run.rounds[0]?.updates.map(({ silo }) => silo).sort()).toEqual(names);
});
