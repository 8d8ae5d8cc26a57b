import { execFile } from 'node:child_process';
import { connect } from 'node:tls';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthority } from '../../src/pki/authority.js';
import { createEnrolClient, createSiloClient } from '../../src/rpc/client.js';
import { adminService, enrolService, handlerName, siloService } from '../../src/rpc/protos.js';
import type { FedrotError } from '../../src/errors.js';
import { opensslMissing, opensslVersion } from '../pki/support/openssl.js';
import { Consortium, registration } from './support/consortium.js';

const DAY = 86_400_000;

/** What a call came to. */
async function outcome(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call;
    return { code: 'ok', message: '' };
  } catch (thrown) {
    const { code, message } = thrown as FedrotError;
    return { code, message };
  }
}

async function refusal(
  consortium: Consortium,
  object: RegExp,
): Promise<Readonly<Record<string, string | undefined>>> {
  await expect.poll(() => consortium.refusals().find((body) => object.test(body.object ?? ''))).toBeDefined();
  return consortium.refusals().find((body) => object.test(body.object ?? ''))!;
}

describe('who may call, with real TLS', () => {
  test('a silo enrols with its token and registers under its certificate', async () => {
    const consortium = await Consortium.start();
    const credential = await consortium.enrolSilo('hospital-a');
    const silo = consortium.silo(consortium.tls(credential));
    const { sessionId } = await silo.register(registration('hospital-a'));
    expect(sessionId).not.toBe('');
    expect(consortium.audit().map(({ body }) => [body.actor, body.action])).toEqual([
      ['coordinator:main', 'authority.create'],
      ['coordinator:main', 'enrol'],
      ['coordinator:main', 'coordinator.start'],
      ['operator:admin', 'token.create'],
      ['silo:hospital-a', 'enrol'],
    ]);
  });

  const strangers: readonly {
    readonly what: string;
    readonly credential: (consortium: Consortium) => Promise<Parameters<Consortium['tls']>[0]>;
    readonly told: RegExp;
  }[] = [
    {
      what: 'no certificate',
      credential: () => Promise.resolve(undefined),
      told: /no client certificate was shown: enrol first/,
    },
    {
      what: 'an expired certificate',
      credential: (consortium) =>
        consortium.forged({ kind: 'silo', name: 'a' }, { nowMs: Date.now() - 100 * DAY, validityDays: 1 }),
      told: /the client certificate has expired: enrol again/,
    },
    {
      what: 'a certificate of another authority',
      credential: async (consortium) =>
        consortium.forged(
          { kind: 'silo', name: 'a' },
          { authority: await createAuthority({ name: 'other', nowMs: Date.now() }) },
        ),
      told: /does not come from this consortium's authority/,
    },
    {
      what: "a signer's certificate",
      credential: (consortium) => consortium.forged({ kind: 'signer', name: 'a' }),
      told: /not for TLS client|not good|INVALID_PURPOSE/,
    },
  ];
  for (const { what, credential, told } of strangers)
    test(`${what} is refused, said so, and written down`, async () => {
      const consortium = await Consortium.start();
      const silo = consortium.silo(consortium.tls(await credential(consortium)));
      const { code, message } = await outcome(silo.register(registration('a')));
      expect(code).toBe('unauthenticated');
      expect(message).toMatch(told);
      const entry = await refusal(consortium, /SiloService\/Register/);
      expect(entry).toMatchObject({ actor: 'anonymous', outcome: 'refused', code: 'unauthenticated' });
      expect(entry.detail).toMatch(told);
    });

  test("a certificate cannot be used in another silo's name, nor for operators' calls", async () => {
    const consortium = await Consortium.start();
    const credential = await consortium.enrolSilo('hospital-a');
    const silo = consortium.silo(consortium.tls(credential));
    const asOther = await outcome(silo.register(registration('hospital-b')));
    expect(asOther.code).toBe('permission_denied');
    expect(asOther.message).toMatch(
      /certificate is of silo hospital-a, but the message speaks for "hospital-b"/,
    );
    const asOperator = await outcome(consortium.admin(consortium.tls(credential)).listRuns({}));
    expect(asOperator).toMatchObject({ code: 'permission_denied' });
    expect(await refusal(consortium, /SiloService\/Register/)).toMatchObject({
      actor: 'silo:hospital-a',
      code: 'permission_denied',
      certificate: credential.facts.serial,
    });
  });

  test('a session of one silo is worth nothing with the certificate of another', async () => {
    const consortium = await Consortium.start();
    let session = '';
    const a = consortium.silo(consortium.tls(await consortium.enrolSilo('a')));
    session = (await a.register(registration('a'))).sessionId;
    const b = consortium.silo(consortium.tls(await consortium.enrolSilo('b')), () => session);
    const stolen = b.fetchBundleFile({ bundleSha256: '0'.repeat(64), file: 'manifest.json', offset: 0 });
    const { code } = await outcome(
      (async () => {
        for await (const _part of stolen) break;
      })(),
    );
    expect(code).toBe('permission_denied');
  });

  test('a revoked silo is out in the middle of its stream, and stays out', async () => {
    const consortium = await Consortium.start();
    const credential = await consortium.enrolSilo('a');
    let session = '';
    const silo = consortium.silo(consortium.tls(credential), () => session);
    session = (await silo.register(registration('a'))).sessionId;
    const watching = outcome(
      (async () => {
        for await (const _assignment of silo.watchAssignments({ silo: 'a' }));
      })(),
    );
    // The stream is open once a call that came after it was answered.
    await silo.heartbeat({ silo: 'a' });
    const { connections } = await consortium
      .admin()
      .revokeParty({ kind: 'silo', name: 'a', serial: '', reason: 'left the consortium' });
    expect(connections).toBe(1);
    expect(await watching).toMatchObject({
      code: 'unauthenticated',
      message: expect.stringMatching(/silo a was revoked/) as string,
    });
    const again = await outcome(silo.heartbeat({ silo: 'a' }));
    expect(again.code).toMatch(/unauthenticated|unavailable/);
    const later = consortium.silo(consortium.tls(credential));
    expect(await outcome(later.register(registration('a')))).toMatchObject({ code: 'unauthenticated' });
    expect(
      consortium.audit().some(({ body }) => body.action === 'silo.revoke' && body.object === 'silo:a'),
    ).toBe(true);
    const { silos } = await consortium.admin().listSilos({});
    expect(silos[0]).toMatchObject({ silo: 'a', connected: false });

    // Readmitted: it enrols anew; the old certificate stays out.
    await consortium.admin().readmitParty({ kind: 'silo', name: 'a' });
    const fresh = consortium.silo(consortium.tls(await consortium.enrolSilo('a')));
    expect(await outcome(fresh.register(registration('a')))).toMatchObject({ code: 'ok' });
    const old = consortium.silo(consortium.tls(credential));
    expect(await outcome(old.register(registration('a')))).toMatchObject({ code: 'unauthenticated' });
  });

  test('silos and operators who are put out and let in again are told apart in the audit log', async () => {
    const consortium = await Consortium.start();
    for (const kind of ['silo', 'operator']) {
      await consortium.admin().revokeParty({ kind, name: 'x', serial: '', reason: 'left' });
      await consortium.admin().readmitParty({ kind, name: 'x' });
    }
    const acts = consortium.audit().filter(({ body }) => body.object?.endsWith(':x'));
    expect(acts.map(({ body }) => [body.action, body.object, body.outcome])).toEqual([
      ['silo.revoke', 'silo:x', 'ok'],
      ['silo.readmit', 'silo:x', 'ok'],
      ['operator.revoke', 'operator:x', 'ok'],
      ['operator.readmit', 'operator:x', 'ok'],
    ]);
  });

  test('a token works once, not after its time, and not from the wrong coordinator', async () => {
    const consortium = await Consortium.start();
    const token = await consortium.token('silo', 'a');
    await consortium.enrol(token);
    const replayed = await outcome(consortium.enrol(token));
    expect(replayed).toMatchObject({ code: 'unauthenticated' });
    expect(replayed.message).toMatch(/was used at .* and works once only/);
    const short = await consortium.token('silo', 'b', '', 1000);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    const expired = await outcome(consortium.enrol(short));
    expect(expired).toMatchObject({ code: 'unauthenticated' });
    expect(expired.message).toMatch(/expired at/);
    expect(await refusal(consortium, /EnrolService\/Enrol/)).toMatchObject({
      actor: 'anonymous',
      outcome: 'refused',
    });

    const other = await Consortium.start({ security: { mode: 'tls', consortium: 'other' } });
    const { fingerprint } = other.running.access;
    const { enrol } = await import('../../src/client/link/enrol.js');
    const { systemClock } = await import('../../src/clock.js');
    const wrong = await outcome(
      enrol({
        address: consortium.address,
        token: await consortium.token('silo', 'c'),
        fingerprint,
        folder: `${consortium.folder}/c`,
        clock: systemClock,
      }),
    );
    expect(wrong).toMatchObject({ code: 'unauthenticated' });
    expect(wrong.message).toMatch(/is not the coordinator of this token/);
  });

  test('an old protocol is refused and written down', async () => {
    const consortium = await Consortium.start();
    const told = await new Promise<string>((resolve) => {
      const socket = connect({
        host: 'localhost',
        port: consortium.running.grpcPort,
        maxVersion: 'TLSv1.2',
        rejectUnauthorized: false,
        ALPNProtocols: ['h2'],
      });
      socket.once('error', (error: Error) => {
        resolve(error.message);
      });
      socket.once('secureConnect', () => resolve('served'));
      onTestFinished(() => {
        socket.destroy();
      });
    });
    expect(told).toMatch(/protocol version/);
    expect(await refusal(consortium, /TLS handshake/)).toMatchObject({ outcome: 'refused' });
  });

  test('a client in plain text gets nowhere', async () => {
    const consortium = await Consortium.start();
    const silo = createSiloClient({ address: consortium.address });
    onTestFinished(() => silo.close());
    expect(await outcome(silo.register(registration('a')))).toMatchObject({ code: 'unavailable' });
  });

  test('operators may do what their role allows', async () => {
    const consortium = await Consortium.start();
    const viewer = consortium.admin(consortium.tls(await consortium.enrolOperator('vera', 'viewer')));
    expect(await outcome(viewer.listRuns({}))).toMatchObject({ code: 'ok' });
    const denied = await outcome(viewer.stopRun({ runId: 'x', reason: '' }));
    expect(denied).toMatchObject({ code: 'permission_denied' });
    expect(denied.message).toMatch(/StopRun needs the role operator; operator vera is viewer/);
    expect(await outcome(viewer.createToken({ kind: 'silo', name: 'x' }))).toMatchObject({
      code: 'permission_denied',
    });
    const operator = consortium.admin(consortium.tls(await consortium.enrolOperator('olga', 'operator')));
    expect(await outcome(operator.stopRun({ runId: 'x', reason: '' }))).toMatchObject({
      code: 'run_unknown',
    });
    expect(
      await outcome(operator.revokeParty({ kind: 'silo', name: 'a', serial: '', reason: '' })),
    ).toMatchObject({
      code: 'permission_denied',
    });
  });
});

describe('from outside', () => {
  test('without a certificate nothing but Enrol and health answers', async () => {
    const consortium = await Consortium.start();
    const silo = consortium.silo(consortium.tls()) as unknown as Record<string, (request: object) => unknown>;
    const admin = consortium.admin(consortium.tls()) as unknown as typeof silo;
    const enrol = createEnrolClient({ address: consortium.address, security: consortium.tls() });
    onTestFinished(() => enrol.close());
    const reached: Record<string, string> = {};
    for (const [service, calls] of [
      [siloService, silo],
      [adminService, admin],
      [enrolService, enrol as unknown as typeof silo],
    ] as const)
      for (const [name, method] of Object.entries(service.methods)) {
        const call = calls[handlerName(name)]!(method.requestStream ? [] : {});
        const done =
          method.responseStream && !method.requestStream
            ? (async () => {
                for await (const _part of call as AsyncIterable<unknown>);
              })()
            : (call as Promise<unknown>);
        reached[`${service.name}/${name}`] = (await outcome(done)).code;
      }
    const answered = Object.entries(reached).filter(([, code]) => code !== 'unauthenticated');
    // Enrol answers: an empty token is no token.
    expect(answered).toEqual([['EnrolService/Enrol', 'option_invalid']]);
    expect(Object.keys(reached).length).toBe(
      Object.keys(siloService.methods).length +
        Object.keys(adminService.methods).length +
        Object.keys(enrolService.methods).length,
    );
  });

  test('health answers everyone; reflection needs a role', async () => {
    const consortium = await Consortium.start();
    const { Client, credentials } = await import('@grpc/grpc-js');
    const { createSecureContext } = await import('node:tls');
    const { tlsOptions } = await import('../../src/pki/tls-options.js');
    const raw = (credential?: Parameters<Consortium['tls']>[0]) => {
      const client = new Client(
        consortium.address,
        credentials.createFromSecureContext(
          createSecureContext(tlsOptions({ ...credential, roots: consortium.roots })),
        ),
      );
      onTestFinished(() => client.close());
      return client;
    };
    const identity = (value: Buffer): Buffer => value;
    const health = await new Promise<number>((resolve) => {
      raw().makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        identity,
        identity,
        Buffer.alloc(0),
        (error, value) => resolve(error ? error.code : (value?.[1] ?? -1)),
      );
    });
    expect(health).toBe(1); // SERVING
    const reflect = (credential?: Parameters<Consortium['tls']>[0]): Promise<number> =>
      new Promise((resolve) => {
        const call = raw(credential).makeBidiStreamRequest(
          '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          identity,
          identity,
        );
        call.on('data', () => resolve(0));
        call.on('error', (error: { code?: number }) => resolve(error.code ?? -1));
        call.write(Buffer.from([0x3a, 0x00])); // list_services: ""
      });
    expect(await reflect()).toBe(16); // UNAUTHENTICATED
    expect(await reflect(await consortium.enrolSilo('a'))).toBe(7); // PERMISSION_DENIED
    expect(await reflect(await consortium.enrolOperator('vera', 'viewer'))).toBe(0);
  });

  test.skipIf(opensslVersion === undefined)(
    `openssl sees TLS 1.3 and nothing weak (${opensslVersion ?? opensslMissing})`,
    async () => {
      // Not spawnSync: the coordinator lives in this process.
      const ask = (port: number, ...args: string[]): Promise<string> =>
        new Promise((resolve) => {
          const child = execFile(
            'openssl',
            ['s_client', '-connect', `127.0.0.1:${port}`, '-alpn', 'h2', ...args],
            { timeout: 10_000 },
            (_error, stdout, stderr) => resolve(stdout + stderr),
          );
          child.stdin?.end('Q\n');
        });
      const modern = await Consortium.start();
      const port = modern.running.grpcPort;
      expect(await ask(port)).toMatch(/New, TLSv1\.3, Cipher is TLS_AES_256_GCM_SHA384/);
      for (const old of ['-tls1', '-tls1_1', '-tls1_2'])
        expect(await ask(port, old)).toMatch(/Cipher is \(NONE\)/);

      const older = await Consortium.start({ security: { mode: 'tls', minTlsVersion: 'TLSv1.2' } });
      const at = older.running.grpcPort;
      expect(await ask(at, '-tls1_2')).toMatch(
        /New, TLSv1\.2, Cipher is ECDHE-ECDSA-AES(128|256)-GCM-SHA(256|384)/,
      );
      for (const weak of ['AES128-SHA', 'ECDHE-ECDSA-AES128-SHA256', 'AES256-GCM-SHA384'])
        expect(await ask(at, '-tls1_2', '-cipher', `${weak}:@SECLEVEL=0`)).toMatch(
          /Cipher is \(NONE\)|no ciphers available/,
        );
      expect(await ask(at, '-tls1_1')).toMatch(/Cipher is \(NONE\)/);
    },
  );
});
