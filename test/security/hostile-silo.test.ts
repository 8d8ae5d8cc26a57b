import { connect as connectTcp } from 'node:net';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { FedrotError } from '../../src/errors.js';
import { tlsOptions } from '../../src/pki/tls-options.js';
import type { RpcClient } from '../../src/rpc/client.js';
import type { SiloCalls } from '../../src/rpc/services.js';
import { Random } from '../../src/random.js';
import { factors, pushBundle, createRun, specOf } from '../server/support/harness.js';
import { chunksOf, encode } from '../server/support/payload.js';
import { Consortium, registration } from './support/consortium.js';

type Silo = RpcClient<SiloCalls>;

async function codeOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'ok',
    (thrown: unknown) => (thrown as FedrotError).code,
  );
}

/** A silo with a certificate and a session. */
async function joined(consortium: Consortium, name: string): Promise<{ silo: Silo; session: string }> {
  let session = '';
  const silo = consortium.silo(consortium.tls(await consortium.enrolSilo(name)), () => session);
  session = (await silo.register(registration(name))).sessionId;
  return { silo, session };
}

/** The coordinator still does what it is there for. */
async function expectAlive(consortium: Consortium): Promise<void> {
  expect(await codeOf(consortium.admin().listRuns({}))).toBe('ok');
}

/** A gRPC client below the generated ones: any bytes, any metadata. */
async function rawClient(consortium: Consortium, name: string, options: object = {}): Promise<Client> {
  const credential = await consortium.enrolSilo(name);
  const client = new Client(
    consortium.address,
    credentials.createFromSecureContext(createSecureContext(tlsOptions(credential))),
    options,
  );
  onTestFinished(() => client.close());
  return client;
}

const same = (bytes: Buffer): Buffer => bytes;

function rawCall(client: Client, path: string, body: Buffer, metadata = new Metadata()): Promise<number> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, same, same, body, metadata, { deadline: Date.now() + 10_000 }, (error) =>
      resolve(error?.code ?? 0),
    );
  });
}

describe('below gRPC', () => {
  test('noise, half a handshake, HTTP/1.1: closed, and others are served', async () => {
    const consortium = await Consortium.start();
    const port = consortium.running.grpcPort;
    const noise = (bytes: Buffer): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes));
        socket.on('data', () => undefined);
        socket.on('error', () => undefined);
        socket.once('close', () => resolve('closed'));
        onTestFinished(() => {
          socket.destroy();
        });
      });
    const random = Random.of(1, 'noise');
    for (let i = 0; i < 20; i++)
      expect(
        await noise(Buffer.from(Array.from({ length: 500 }, () => Math.floor(random.uniform(0, 256))))),
      ).toBe('closed');
    expect(await noise(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'))).toBe('closed');
    // A ClientHello that never ends holds nobody up.
    const silent = connectTcp(port, '127.0.0.1', () => silent.write(Buffer.from([22, 3, 1, 2, 0, 1])));
    onTestFinished(() => {
      silent.destroy();
    });
    const oldHttp = await new Promise<string>((resolve) => {
      const socket = connectTls({ port, host: 'localhost', rejectUnauthorized: false });
      socket.once('error', (error: Error) => resolve(error.message));
      socket.once('close', () => resolve('closed'));
      socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\n\r\n'));
    });
    expect(oldHttp).toMatch(/closed|application protocol/);
    await expectAlive(consortium);
  });

  test('connections of one address have a limit, and come back when others close', async () => {
    const consortium = await Consortium.start({ limits: { maxConnectionsPerAddress: 6 } });
    const open: TLSSocket[] = [];
    onTestFinished(() => {
      for (const socket of open) socket.destroy();
    });
    const attempt = (): Promise<boolean> =>
      new Promise((resolve) => {
        const socket = connectTls({
          port: consortium.running.grpcPort,
          host: '127.0.0.1',
          rejectUnauthorized: false,
          ALPNProtocols: ['h2'],
        });
        socket.once('secureConnect', () => resolve(true));
        socket.once('error', () => resolve(false));
        open.push(socket);
      });
    const results: boolean[] = [];
    for (let i = 0; i < 10; i++) results.push(await attempt());
    expect(results).toEqual([true, true, true, true, true, true, false, false, false, false]);
    for (const socket of open.splice(0)) socket.destroy();
    await expect.poll(attempt).toBe(true);
  });

  test('thousands of streams that are opened and reset at once (CVE-2023-44487)', async () => {
    const consortium = await Consortium.start();
    const { silo } = await joined(consortium, 'good');
    const credential = await consortium.enrolSilo('evil');
    const session = connectHttp2(`https://${consortium.address}`, {
      ...tlsOptions(credential),
      ALPNProtocols: ['h2'],
    });
    session.on('error', () => undefined);
    onTestFinished(() => {
      session.destroy();
    });
    for (let i = 0; i < 5000 && !session.destroyed; i++) {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/fedrot.v1.SiloService/Heartbeat',
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      stream.on('error', () => undefined);
      stream.close(8);
      if (i % 500 === 0) expect(await codeOf(silo.heartbeat({ silo: 'good' }))).toBe('ok');
    }
    expect(await codeOf(silo.heartbeat({ silo: 'good' }))).toBe('ok');
  });
});

describe('a silo with a certificate that wants to do harm', () => {
  test('calls too often: told to wait, and others are not', async () => {
    const consortium = await Consortium.start({ limits: { callsPerSecond: 5 } });
    const { silo } = await joined(consortium, 'fast');
    const { silo: other } = await joined(consortium, 'slow');
    const codes = await Promise.all(
      Array.from({ length: 60 }, () => codeOf(silo.heartbeat({ silo: 'fast' }))),
    );
    expect(new Set(codes)).toEqual(new Set(['ok', 'quota_exceeded']));
    expect(await codeOf(other.heartbeat({ silo: 'slow' }))).toBe('ok');
  });

  test('registers again and again: each leaves a trace on the disk, so there is a limit', async () => {
    const consortium = await Consortium.start();
    const { silo } = await joined(consortium, 'again');
    const codes: string[] = [];
    for (let i = 0; i < 80; i++) codes.push(await codeOf(silo.register(registration('again'))));
    expect(codes).toContain('quota_exceeded');
  });

  test('sends what is no message, too large, or grows when it is unpacked', async () => {
    const consortium = await Consortium.start({ limits: { maxMessageBytes: 64 * 1024 } });
    const client = await rawClient(consortium, 'odd');
    const path = '/fedrot.v1.SiloService/Register';
    const random = Random.of(2, 'messages');
    for (let i = 0; i < 200; i++) {
      const body = Buffer.from(
        Array.from({ length: Math.floor(random.uniform(0, 80)) }, () => Math.floor(random.uniform(0, 256))),
      );
      // INVALID_ARGUMENT, PERMISSION_DENIED (another name) or what else has a reason: never UNKNOWN, never silence.
      expect([3, 7, 8, 9, 11, 16]).toContain(await rawCall(client, path, body));
    }
    expect(await rawCall(client, path, Buffer.alloc(70 * 1024))).toBe(8);
    const zipping = await rawClient(consortium, 'bomb', { 'grpc.default_compression_algorithm': 2 });
    // 32 MiB of zeros are 32 KiB on the wire.
    expect(await rawCall(zipping, path, Buffer.alloc(32 * 2 ** 20))).toBe(8);
    const metadata = new Metadata();
    metadata.set('fedrot-session', 'x'.repeat(200_000));
    expect(await rawCall(client, path, Buffer.alloc(0), metadata)).not.toBe(0);
    await expectAlive(consortium);
  });

  test('uploads more than its share, or stops in the middle', async () => {
    const consortium = await Consortium.start({
      limits: { maxUploadBytesPerDay: 12_000, maxUploadsPerSilo: 1 },
      streamIdleMs: 300,
      chunkBytes: 4096,
    });
    const admin = consortium.admin();
    const { silo } = await joined(consortium, 'a');
    await pushBundle(admin);
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 1 } }));
    const watching = new AbortController();
    onTestFinished(() => {
      watching.abort();
    });
    let taskId = '';
    for await (const assignment of silo.watchAssignments({ silo: 'a' }, { signal: watching.signal })) {
      ({ taskId } = assignment);
      break;
    }
    const encoded = encode(factors(3));
    const begin = {
      runId,
      round: 1,
      silo: 'a',
      taskId,
      baseVersion: 0,
      examples: 10,
      manifest: encoded.manifest,
      sha256: encoded.sha256,
      offset: 0,
      metrics: { loss: 0.5, steps: 1, seconds: 1, tokens: 1 },
    };
    async function* stalled() {
      yield { begin };
      yield chunksOf(encoded.payload)[0]!;
      await new Promise((resolve) => setTimeout(resolve, 3000).unref());
    }
    expect(await codeOf(silo.submitUpdate(stalled()))).toBe('stream_truncated');
    const whole = [{ begin }, ...chunksOf(encoded.payload), { digest: { sha256: encoded.sha256 } }];
    expect(await codeOf(silo.submitUpdate(whole))).toBe('quota_exceeded');
    await expectAlive(consortium);
  });

  test('reports failures of tasks that it does not have: nothing is written', async () => {
    const consortium = await Consortium.start();
    const admin = consortium.admin();
    await pushBundle(admin);
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 2 } }));
    const { silo } = await joined(consortium, 'a');
    const before = consortium.audit().length;
    for (let i = 0; i < 20; i++)
      await codeOf(
        silo.reportFailure({
          silo: 'a',
          taskId: `${runId}/nonsense/${i}`,
          code: 'permission_denied',
          message: 'x'.repeat(2000),
        }),
      );
    expect(consortium.audit().length).toBe(before);
    expect((await admin.getRun({ runId })).rounds).toEqual([]);
  });

  test('asks for a run that does not admit it, and for its bundle: refused and written down', async () => {
    const consortium = await Consortium.start();
    const admin = consortium.admin();
    await pushBundle(admin);
    const spec = specOf({ silos: ['hospital-*'], rounds: { count: 1, minSilos: 1 } });
    const runId = await createRun(admin, spec);
    const { silo } = await joined(consortium, 'office');
    const read = async (parts: AsyncIterable<unknown>): Promise<void> => {
      for await (const _part of parts);
    };
    const { bundle } = spec;
    const calls: readonly (readonly [string, () => Promise<unknown>])[] = [
      ['FetchAdapter', () => read(silo.fetchAdapter({ runId, version: 0, offset: 0 }))],
      [
        'FetchBundleFile',
        () => read(silo.fetchBundleFile({ bundleSha256: bundle, file: 'model.onnx', offset: 0 })),
      ],
      [
        'GetUploadStatus',
        () => silo.getUploadStatus({ runId, round: 1, silo: 'office', sha256: Buffer.alloc(32) }),
      ],
      [
        'ReportFailure',
        () => silo.reportFailure({ silo: 'office', taskId: `${runId}/1/x`, code: 'internal' }),
      ],
      [
        'ReportProgress',
        () => silo.reportProgress({ silo: 'office', taskId: `${runId}/1/x`, phase: 'training', step: 1 }),
      ],
      [
        'SubmitEvaluation',
        () => silo.submitEvaluation({ silo: 'office', runId, taskId: 'x', version: 0, examples: 1, loss: 1 }),
      ],
    ];
    for (const [method, call] of calls)
      expect([method, await codeOf(call())]).toEqual([method, 'permission_denied']);
    expect((await admin.getRun({ runId })).state).toBe('RUN_STATE_WAITING');
    const refused = () => consortium.refusals().filter(({ actor }) => actor === 'silo:office');
    await expect
      .poll(() =>
        refused()
          .map(({ object }) => object?.split('/')[1])
          .sort(),
      )
      .toEqual(calls.map(([method]) => method).sort());
    expect(refused()[0]?.detail).toMatch(/does not admit silo office|no run that admits silo office/);

    // Those whom it names take part, and too few names are no run.
    await joined(consortium, 'hospital-1');
    await expect.poll(async () => (await admin.getRun({ runId })).state).toBe('RUN_STATE_RUNNING');
    await expect(
      createRun(admin, specOf({ silos: ['a', 'a'], rounds: { count: 1, minSilos: 2 } })),
    ).rejects.toMatchObject({ code: 'config_invalid' });
  });

  test('keeps a stream open beyond the life of its certificate: the connection is cut', async () => {
    const consortium = await Consortium.start({ security: { mode: 'tls', certificateDays: 2 / 86_400 } });
    const { silo } = await joined(consortium, 'a');
    const watching = (async () => {
      for await (const _assignment of silo.watchAssignments({ silo: 'a' }));
    })();
    await expect(watching).rejects.toMatchObject({
      code: expect.stringMatching(/unavailable|unauth/) as string,
    });
  });
});
