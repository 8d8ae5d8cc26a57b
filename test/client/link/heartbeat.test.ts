import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import type { Connection } from '../../../src/client/link/connection.js';
import { keepBeating } from '../../../src/client/link/heartbeat.js';
import { systemClock } from '../../../src/clock.js';
import { FedrotError, type ErrorCode } from '../../../src/errors.js';
import { silentLogger } from '../../../src/log.js';

it.each<ErrorCode>(['storage_full', 'unauthenticated', 'permission_denied'])(
  'leaves the process time for everything else where no session is to be had at once (%s)',
  async (code) => {
    let tries = 0;
    const connection = {
      silo: 'a',
      session: () => {
        tries++;
        return Promise.reject(new FedrotError(code, 'no session'));
      },
    } as unknown as Connection;
    const stop = new AbortController();
    const beating = keepBeating(
      connection,
      { clock: systemClock, logger: silentLogger, onForgotten: () => undefined },
      stop.signal,
    );
    await sleep(100); // a process that only turns in a circle never comes back from here
    stop.abort();
    await beating;
    expect(tries).toBeGreaterThanOrEqual(1);
    expect(tries).toBeLessThanOrEqual(10);
  },
);
