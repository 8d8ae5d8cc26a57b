import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RightOfWay } from '../../../src/server/aggregation/right-of-way.js';
import { WarmWorker } from '../../../src/server/aggregation/warm-worker.js';

/** Says which thread it is; waits, throws or dies when it is told to. */
const SOURCE = `
import { parentPort, threadId } from 'node:worker_threads';
parentPort.on('message', (job) => {
  if (job === 'die') process.exit(3);
  if (job === 'wait') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  if (job === 'fail') parentPort.postMessage({ error: { code: 'storage_corrupt', message: 'gone' } });
  else parentPort.postMessage({ outcome: threadId });
});`;

let folder = '';
let worker: WarmWorker;
const never = new AbortController().signal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-worker-'));
  const file = join(folder, 'worker.mjs');
  writeFileSync(file, SOURCE);
  worker = new WarmWorker({ url: pathToFileURL(file), idleMs: 200 });
});

afterEach(() => {
  worker.end();
  rmSync(folder, { recursive: true });
});

describe('a thread that is kept', () => {
  it('does one job after the other, and is ended when it has had nothing to do', async () => {
    worker.warm();
    const first = await worker.run<number>('job', never);
    expect(await worker.run('job', never)).toBe(first);
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(await worker.run('job', never)).not.toBe(first);
  });

  it('is ended by whoever calls its job off, even where it blocks; the next job has another', async () => {
    const stop = new AbortController();
    const first = await worker.run<number>('job', never);
    const blocked = worker.run('wait', stop.signal);
    setTimeout(() => {
      stop.abort();
    }, 50);
    await expect(blocked).rejects.toMatchObject({ code: 'cancelled' });
    expect(worker.busy).toBe(false);
    await expect(worker.run('job', stop.signal)).rejects.toMatchObject({ code: 'cancelled' });
    expect(await worker.run('job', never)).not.toBe(first);
  });

  it('passes on what a job throws, and says where the thread died', async () => {
    await expect(worker.run('fail', never)).rejects.toMatchObject({
      code: 'storage_corrupt',
      message: 'gone',
    });
    await expect(worker.run('die', never)).rejects.toThrow(/ended \(3\) without an answer/);
    expect(await worker.run('job', never)).toBeGreaterThan(0);
  });
});

it('the right of way: nobody waits unless somebody has it', () => {
  const one = new RightOfWay();
  new RightOfWay(one.memory).wait();
  one.take();
  one.take();
  one.leave();
  one.leave();
  new RightOfWay(one.memory).wait();
});
