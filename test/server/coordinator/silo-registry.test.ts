import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/log.js';
import { SiloRegistry } from '../../../src/server/coordinator/silo-registry.js';
import type { Store } from '../../../src/server/store/store.js';

it('a silo whose upload waits or comes is there, though its heartbeats do not get through', async () => {
  let now = 0;
  let fire: () => void = () => undefined;
  const left: string[] = [];
  const silos = new SiloRegistry({
    store: { saveSilo: () => Promise.resolve() } as unknown as Store,
    clock: {
      now: () => now,
      after: (_delayMs, call) => {
        fire = call;
        return () => undefined;
      },
    },
    logger: silentLogger,
    heartbeatIntervalMs: 1000,
    onJoin: () => Promise.resolve(),
    onLeave: (silo) => {
      left.push(silo);
      return Promise.resolve();
    },
  });
  const sweep = async (atMs: number): Promise<string[]> => {
    now = atMs;
    fire();
    await new Promise((resolve) => setImmediate(resolve));
    return left.splice(0);
  };
  for (const silo of ['mute', 'queued', 'sending'])
    await silos.register({
      silo,
      role: 'trainer',
      softwareVersion: '',
      protocol: 1,
      examples: 1,
      labels: [],
    });
  silos.start();
  let enter: () => void = () => undefined;
  const place = silos.whileWaiting('queued', new Promise<void>((resolve) => (enter = resolve)));
  now = 2500;
  silos.heard('sending');
  expect(await sweep(3500)).toEqual(['mute']);
  silos.heard('mute'); // who is gone has to register again
  expect(silos.get('mute')?.connected).toBe(false);
  expect(await sweep(5600)).toEqual(['sending']);
  enter();
  await place;
  expect(await sweep(8500)).toEqual([]);
  expect(await sweep(8700)).toEqual(['queued']);
});
