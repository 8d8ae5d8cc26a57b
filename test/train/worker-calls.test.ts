import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { WorkerCalls } from '../../src/train/worker-calls.js';

/** A worker that answers its opening, and does `body` on the first request. */
function worker(body: string): WorkerCalls {
  const code = `const { parentPort } = require('node:worker_threads');
    parentPort.on('message', (request) => { ${body} });
    parentPort.postMessage({ id: 0, value: 'open' });`;
  return new WorkerCalls(new Worker(code, { eval: true }));
}

describe('a worker that dies', () => {
  it.each([
    ['process.exit(3)', /ended with code 3/],
    ['throw new Error("out of memory")', /the training thread crashed: out of memory/],
  ])('by %s fails what waits and what comes after', async (body, message) => {
    const calls = worker(body);
    expect(await calls.opening()).toBe('open');
    const waiting = [calls.call('read'), calls.call('read')].map((call) =>
      expect(call).rejects.toThrow(message),
    );
    await Promise.all(waiting);
    await expect(calls.call('read')).rejects.toMatchObject({ code: 'internal' });
    await calls.close();
  });

  it('passes failures on with their code and details', async () => {
    const calls = worker(
      `parentPort.postMessage({ id: request.id, failure: { code: 'tensor_shape', message: 'no', details: { a: 1 } } });`,
    );
    await calls.opening();
    await expect(calls.call('read')).rejects.toMatchObject({
      code: 'tensor_shape',
      message: 'no',
      details: { a: 1 },
    });
    await calls.kill();
  });
});
