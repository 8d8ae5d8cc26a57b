import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Clock } from '../../../src/clock.js';
import { FedrotError } from '../../../src/errors.js';
import { silentLogger } from '../../../src/log.js';
import { lookOver } from '../../../src/server/coordinator/look-over.js';
import type { Step } from '../../../src/server/round/effects.js';

/** Says at once that the time is over. */
const hasty: Clock = {
  now: () => 0,
  after: (_, fire) => {
    setImmediate(fire);
    return () => undefined;
  },
};

/** A run whose events cannot be stored the first few times. */
function runOn(fullFor: number): {
  runId: string;
  sent: string[];
  send: (input: { type: string }) => Promise<Step>;
} {
  const sent: string[] = [];
  return {
    runId: 'run',
    sent,
    send(input) {
      sent.push(input.type);
      return sent.length <= fullFor
        ? Promise.reject(new FedrotError('storage_full', 'the disk is full'))
        : Promise.resolve({} as Step);
    },
  };
}

it('tells a run of the restart until it is stored', async () => {
  const run = runOn(2);
  lookOver(run, { clock: hasty, logger: silentLogger, stopped: () => false });
  await expect.poll(() => run.sent).toEqual(['restarted', 'restarted', 'restarted']);
  await sleep(20);
  expect(run.sent).toHaveLength(3);
});

it('gives up when the coordinator stops', async () => {
  const run = runOn(Infinity);
  lookOver(run, { clock: hasty, logger: silentLogger, stopped: () => run.sent.length >= 2 });
  await sleep(50);
  expect(run.sent).toHaveLength(2);
});
