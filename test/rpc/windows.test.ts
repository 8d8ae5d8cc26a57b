import { afterEach, describe, expect, it } from 'vitest';
import { createSiloClient } from '../../src/rpc/client.js';
import { createRpcServer } from '../../src/rpc/server.js';
import { startDelayProxy } from '../support/delay-proxy.js';
import { siloHandlers } from './handlers.js';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const KIB = 1024;
const MIB = 1024 * KIB;
const CHUNKS = 6;

/** A promise that the test or the server resolves. */
function step(): { done: () => void; reached: Promise<void> } {
  let done = (): void => undefined;
  const reached = new Promise<void>((resolve) => {
    done = resolve;
  });
  return { done, reached };
}

function* upload() {
  yield { begin: { runId: 'r' } };
  for (let i = 0; i < CHUNKS; i++) yield { chunk: { offset: i * MIB, data: Buffer.alloc(MIB, i) } };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

// Nothing is timed here: what is counted is what a caller may send over a link with delay while nobody reads.
describe('windows of the server, over a link of 50 ms', () => {
  it('lets a caller send little before it is its turn, and a whole window once it is', async () => {
    let stage = { begun: step(), widen: step(), read: step() };
    const server = createRpcServer({
      silo: siloHandlers({
        heartbeat: () => Promise.resolve({ serverTimeMs: 1 }),
        submitUpdate: async (requests, context) => {
          const { begun, widen, read } = stage;
          const iterator = requests[Symbol.asyncIterator]();
          await iterator.next();
          begun.done();
          await widen.reached;
          const narrow = context.widen?.();
          await read.reached;
          let bytes = 0;
          for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
            bytes += next.value.chunk?.data.length ?? 0;
          narrow?.();
          return { sha256: Buffer.from(String(bytes)) };
        },
      }),
    });
    closers.push(() => server.close(0));
    const proxy = await startDelayProxy(`127.0.0.1:${await server.listen('127.0.0.1:0')}`, 50);
    closers.push(() => proxy.close());
    const client = createSiloClient({ address: proxy.address });
    closers.push(() => {
      client.close();
    });
    // Twice: the windows are narrow again after the first.
    for (let round = 0; round < 2; round++) {
      const before = proxy.sent;
      const { begun, widen, read } = stage;
      const answer = client.submitUpdate(upload());
      await begun.reached;
      // Comes over the same connection: what may be sent has been sent when this is answered, twice for the window of its own.
      for (let beat = 0; beat < 2; beat++) await client.heartbeat({ silo: 'a' });
      expect(proxy.sent - before).toBeLessThan(160 * KIB);
      widen.done();
      await until(() => proxy.sent - before >= CHUNKS * MIB);
      stage = { begun: step(), widen: step(), read: step() };
      read.done();
      expect((await answer).sha256.toString()).toBe(String(CHUNKS * MIB));
    }
  });

  it('a handler that stops reading holds a few messages, not a queue of sixteen', async () => {
    const stop = step();
    const server = createRpcServer({
      silo: siloHandlers({
        submitUpdate: async (requests) => {
          let taken = 0;
          for await (const _ of requests) if (++taken === 3) await stop.reached;
          return { sha256: Buffer.from(String(taken)) };
        },
      }),
    });
    closers.push(() => server.close(0));
    const client = createSiloClient({ address: `127.0.0.1:${await server.listen('127.0.0.1:0')}` });
    closers.push(() => {
      client.close();
    });
    let pulled = 0;
    const answer = client.submitUpdate(
      (function* () {
        for (const message of upload()) {
          pulled++;
          yield message;
        }
      })(),
    );
    await until(() => pulled >= 4);
    stop.done();
    expect((await answer).sha256.toString()).toBe(String(CHUNKS + 1));
  });
});
