import http2 from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { FedrotError } from '../../src/errors.js';
import { createAdminClient, createSiloClient, type RpcClient } from '../../src/rpc/client.js';
import type { CallContext } from '../../src/rpc/call-context.js';
import type { ChunkInput } from '../../src/rpc/gen/fedrot/v1/Chunk.js';
import type { CallEnd } from '../../src/rpc/interceptors.js';
import { createRpcServer, type RpcServer, type RpcServerOptions } from '../../src/rpc/server.js';
import type { SiloCalls, SiloHandlers } from '../../src/rpc/services.js';
import { adminHandlers, siloHandlers } from './handlers.js';

const closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Harness {
  readonly server: RpcServer;
  readonly client: RpcClient<SiloCalls>;
  readonly address: string;
  readonly ends: CallEnd[];
  readonly errors: { error: unknown; context: CallContext }[];
}

async function serve(
  silo: Partial<SiloHandlers>,
  options: Omit<RpcServerOptions, 'silo'> = {},
): Promise<Harness> {
  const ends: CallEnd[] = [];
  const errors: Harness['errors'] = [];
  const server = createRpcServer({
    ...options,
    silo: siloHandlers(silo),
    admin: adminHandlers(),
    onCallEnd: (end) => ends.push(end),
    onHandlerError: (error, context) => errors.push({ error, context }),
  });
  const address = `127.0.0.1:${await server.listen('127.0.0.1:0')}`;
  closers.push(() => server.close(0));
  const client = createSiloClient({ address, metadata: () => ({ 'fedrot-session': 's-1' }) });
  closers.push(() => {
    client.close();
  });
  return { server, client, address, ends, errors };
}

/** The error that a promise rejects with. */
async function failure(promise: Promise<unknown>): Promise<FedrotError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof FedrotError) return error;
    throw error;
  }
  throw new Error('expected a failure');
}

function chunk(offset: number, bytes: number): ChunkInput {
  return { offset, data: Buffer.alloc(bytes, offset % 251) };
}

async function eventually(condition: () => boolean): Promise<void> {
  const end = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('the condition never came true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('unary calls', () => {
  it('carries messages, metadata and the peer', async () => {
    let seen: CallContext | undefined;
    const { client, ends } = await serve({
      register: async (request, context) => {
        seen = context;
        return Promise.resolve({ sessionId: `for ${request.silo}`, maxUpdateBytes: Number.MAX_SAFE_INTEGER });
      },
    });
    const response = await client.register({ silo: 'a', role: 'SILO_ROLE_TRAINER', examples: 7 });
    expect(response).toMatchObject({
      sessionId: 'for a',
      maxUpdateBytes: Number.MAX_SAFE_INTEGER,
      protocol: 0,
    });
    expect(seen?.metadata('fedrot-session')).toBe('s-1');
    expect(seen?.metadata('other')).toBeUndefined();
    expect(seen?.peer).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(seen?.signal.aborted).toBe(false);
    expect(ends).toMatchObject([{ service: 'SiloService', method: 'Register', code: 'ok' }]);
  });

  it('carries code and message of a FedrotError, and nothing of its details', async () => {
    const { client, ends, errors } = await serve({
      heartbeat: () =>
        Promise.reject(new FedrotError('run_closed', 'run “ä” has ended', { details: { secret: 'x' } })),
    });
    const error = await failure(client.heartbeat({ silo: 'a' }));
    expect(error).toMatchObject({ code: 'run_closed', message: 'run “ä” has ended' });
    expect(error.details).toEqual({ grpcStatus: 'FAILED_PRECONDITION' });
    expect(ends.map((end) => end.code)).toEqual(['run_closed']);
    expect(errors[0]?.error).toMatchObject({ details: { secret: 'x' } });
  });

  it('hides what was not foreseen', async () => {
    const { client } = await serve({
      heartbeat: () => Promise.reject(new TypeError('/secret/path is not a function')),
    });
    const error = await failure(client.heartbeat({ silo: 'a' }));
    expect(error.code).toBe('internal');
    expect(error.message).not.toContain('secret');
  });

  it('says unavailable where nobody listens', async () => {
    const client = createSiloClient({ address: '127.0.0.1:1' });
    closers.push(() => {
      client.close();
    });
    expect((await failure(client.heartbeat({ silo: 'a' }))).code).toBe('unavailable');
  });

  it('ends at its deadline on both sides', async () => {
    let signal: AbortSignal | undefined;
    const { client, ends } = await serve({
      heartbeat: (_request, context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      },
    });
    expect((await failure(client.heartbeat({ silo: 'a' }, { deadlineMs: 100 }))).code).toBe(
      'deadline_exceeded',
    );
    await eventually(() => signal?.aborted === true && ends.length === 1);
    expect(ends[0]?.code).toMatch(/deadline_exceeded|cancelled/);
  });

  it('refuses a 64-bit integer that a number cannot hold', async () => {
    const { client } = await serve({ register: () => Promise.resolve({}) });
    const error = await failure(client.register({ silo: 'a', examples: '9007199254740993' }));
    expect(error).toMatchObject({ code: 'option_invalid' });
    expect(error.message).toContain('examples');
  });

  it('refuses a message over the limit, and counts it', async () => {
    const { client, ends } = await serve(
      { register: () => Promise.resolve({}) },
      { transport: { maxMessageBytes: 10_000 } },
    );
    const error = await failure(client.register({ silo: 'a'.repeat(20_000) }));
    expect(error.code).toBe('message_too_large');
    expect(error.message).toContain('10000 bytes');
    expect(ends.map((end) => end.code)).toEqual(['message_too_large']);
  });
});

describe('client streams', () => {
  it('delivers every message in order, and pulls no faster than the server reads', async () => {
    let pulled = 0;
    let most = 0;
    let read = 0;
    const { client } = await serve({
      submitUpdate: async (requests) => {
        for await (const request of requests) {
          expect(request.chunk?.offset).toBe(read * 262_144);
          expect(request.chunk?.data.length).toBe(262_144);
          read++;
          most = Math.max(most, pulled - read);
          if (read < 20) await new Promise((resolve) => setTimeout(resolve, 5));
        }
        return { alreadyKnown: true };
      },
    });
    const chunks = function* () {
      for (; pulled < 400; pulled++) yield { chunk: chunk(pulled * 262_144, 262_144) };
    };
    expect((await client.submitUpdate(chunks())).alreadyKnown).toBe(true);
    expect(read).toBe(400);
    // 100 MiB altogether; what may be under way are windows and queues, not the upload.
    expect(most).toBeLessThan(100);
  });

  it('lets the server answer before the end', async () => {
    let pulled = 0;
    const { client } = await serve({
      submitUpdate: async (requests) => {
        for await (const request of requests)
          if ((request.chunk?.offset ?? 0) >= 2) throw new FedrotError('round_closed', 'round 3 is closed');
        return {};
      },
    });
    const endless = async function* () {
      for (;;) {
        yield { chunk: chunk(pulled++, 1000) };
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const error = await failure(client.submitUpdate(endless()));
    expect(error).toMatchObject({ code: 'round_closed', message: 'round 3 is closed' });
    const after = pulled;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(pulled - after).toBeLessThanOrEqual(1);
  });

  it('answers early with success', async () => {
    const { client } = await serve({
      submitUpdate: async (requests) => {
        for await (const request of requests) return { sha256: request.chunk?.data ?? Buffer.alloc(0) };
        return {};
      },
    });
    const many = function* () {
      for (let index = 0; index < 50; index++) yield { chunk: chunk(index, 100_000) };
    };
    expect((await client.submitUpdate(many())).sha256.length).toBe(100_000);
  });

  it('tells the handler that the caller left in the middle', async () => {
    let thrown: unknown;
    let aborted = false;
    const { address, ends } = await serve({
      submitUpdate: async (requests, context) => {
        context.signal.addEventListener('abort', () => {
          aborted = true;
        });
        try {
          for await (const _ of requests) await Promise.resolve();
        } catch (error) {
          thrown = error;
          throw error;
        }
        return {};
      },
    });
    // A connection that breaks: no half-close comes first.
    const session = http2.connect(`http://${address}`);
    session.on('error', () => undefined);
    const stream = session.request({
      ':method': 'POST',
      ':path': '/fedrot.v1.SiloService/SubmitUpdate',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    stream.write(Buffer.from([0, 0, 0, 0, 0]));
    await new Promise((resolve) => setTimeout(resolve, 50));
    session.destroy();
    await eventually(() => thrown !== undefined && aborted && ends.length === 1);
    expect(thrown).toMatchObject({ code: 'cancelled' });
    expect(ends[0]).toMatchObject({ service: 'SiloService', method: 'SubmitUpdate', code: 'cancelled' });
  });

  it('aborts the signal when the caller cancels', async () => {
    let signal: AbortSignal | undefined;
    const { client } = await serve({
      submitUpdate: (_requests, context) => {
        signal = context.signal;
        return new Promise(() => undefined);
      },
    });
    const controller = new AbortController();
    const answer = failure(client.submitUpdate([{ chunk: chunk(0, 10) }], { signal: controller.signal }));
    await eventually(() => signal !== undefined);
    controller.abort();
    expect((await answer).code).toBe('cancelled');
    await eventually(() => signal?.aborted === true);
  });

  it("reports what the caller's own iteration threw", async () => {
    const { client } = await serve({
      submitUpdate: async (requests) => {
        for await (const _ of requests) await Promise.resolve();
        return {};
      },
    });
    const broken = function* () {
      yield { chunk: chunk(0, 10) };
      throw new FedrotError('storage_failed', 'the spool is gone');
    };
    expect((await failure(client.submitUpdate(broken()))).message).toBe('the spool is gone');
  });

  it('refuses a message over the limit in mid-stream', async () => {
    const { client, ends } = await serve(
      {
        submitUpdate: async (requests) => {
          for await (const _ of requests) await Promise.resolve();
          return {};
        },
      },
      { transport: { maxMessageBytes: 50_000 } },
    );
    const error = await failure(
      client.submitUpdate([{ chunk: chunk(0, 40_000) }, { chunk: chunk(1, 60_000) }]),
    );
    expect(error.code).toBe('message_too_large');
    await eventually(() => ends.length > 0);
    expect(ends.map((end) => end.code)).toEqual(['message_too_large']);
  });
});

describe('server streams', () => {
  it('delivers every message, and makes no more than the reader takes', async () => {
    let made = 0;
    const { client, ends } = await serve({
      async *fetchAdapter() {
        for (; made < 300; made++) {
          yield { chunk: chunk(made, 262_144) };
          await Promise.resolve();
        }
      },
    });
    let got = 0;
    let most = 0;
    for await (const part of client.fetchAdapter({ runId: 'r' })) {
      expect(part.chunk?.offset).toBe(got++);
      most = Math.max(most, made - got);
      if (got < 10) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(got).toBe(300);
    // The 8 MiB window and the queues on both sides.
    expect(most).toBeLessThan(120);
    await eventually(() => ends.length === 1);
    expect(ends[0]?.code).toBe('ok');
  });

  it('keeps the error that comes after messages', async () => {
    const { client } = await serve({
      async *fetchAdapter() {
        yield { chunk: chunk(0, 10) };
        await Promise.resolve();
        throw new FedrotError('storage_corrupt', 'adapter 4 is damaged');
      },
    });
    const read = async () => {
      let parts = 0;
      try {
        for await (const _ of client.fetchAdapter({ runId: 'r' })) parts++;
      } catch (error) {
        expect(parts).toBe(1);
        throw error;
      }
    };
    expect(await failure(read())).toMatchObject({ code: 'storage_corrupt', message: 'adapter 4 is damaged' });
  });

  it('ends the generator when the reader leaves', async () => {
    let ended = false;
    let aborted = false;
    const { client } = await serve({
      async *watchAssignments(_request, context) {
        try {
          for (let index = 0; ; index++) {
            yield { taskId: String(index) };
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } finally {
          ended = true;
          aborted = context.signal.aborted;
        }
      },
    });
    for await (const assignment of client.watchAssignments({ silo: 'a' }))
      if (assignment.taskId === '3') break;
    await eventually(() => ended);
    expect(aborted).toBe(true);
  });

  it('fails with unavailable when the server dies', async () => {
    const { client, server } = await serve({
      async *watchAssignments() {
        yield { taskId: '1' };
        await new Promise(() => undefined);
      },
    });
    const read = async () => {
      for await (const _ of client.watchAssignments({ silo: 'a' })) void server.close(0);
    };
    expect(['unavailable', 'cancelled']).toContain((await failure(read())).code);
  });
});

describe('the server', () => {
  it('says where it cannot listen', async () => {
    const { address } = await serve({});
    const second = createRpcServer({});
    closers.push(() => second.close(0));
    const error = await failure(second.listen(address));
    expect(error.code).toBe('unavailable');
    expect(error.message).toContain(address);
  });

  it('lets calls under way finish when it closes', async () => {
    const { client, server } = await serve({
      heartbeat: () =>
        new Promise((resolve) =>
          setTimeout(() => {
            resolve({ serverTimeMs: 5 });
          }, 100),
        ),
    });
    const answer = client.heartbeat({ silo: 'a' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close(2000);
    expect((await answer).serverTimeMs).toBe(5);
  });

  it('serves operators', async () => {
    const { address } = await serve({});
    const admin = createAdminClient({ address });
    closers.push(() => {
      admin.close();
    });
    expect((await admin.listRuns({})).runs).toEqual([]);
  });
});
