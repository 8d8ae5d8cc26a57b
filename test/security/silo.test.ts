import { createHash, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { createServer as createHttpServer } from 'node:http';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createRun } from '../../src/cli/admin/create-run.js';
import { pushBundle } from '../../src/cli/admin/push-bundle.js';
import { Consents } from '../../src/client/accept/consents.js';
import { writeEnrolment } from '../../src/client/link/enrolment.js';
import { enrol } from '../../src/client/link/enrol.js';
import { systemClock } from '../../src/clock.js';
import { readLog } from '../../src/evidence/audit.js';
import { openBundle, type Bundle } from '../../src/model/bundle.js';
import { createAuthority } from '../../src/pki/authority.js';
import { readCredential } from '../../src/pki/credential-files.js';
import { issueCertificate } from '../../src/pki/issue.js';
import { generateSigningKey, privateKeyPem, spki } from '../../src/pki/keys.js';
import { signRequest } from '../../src/pki/signed-request.js';
import { parseProxy } from '../../src/rpc/channel-options.js';
import { createAdminClient, createSiloClient, type RpcClient } from '../../src/rpc/client.js';
import { siloService } from '../../src/rpc/protos.js';
import type { AdminCalls } from '../../src/rpc/services.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { FakeTrainer } from '../client/fake-trainer.js';
import { decodeModel, encodeModel } from '../../src/train/ir/codec.js';
import type { Model } from '../../src/train/ir/graph.js';
import { signBundle } from '../../src/evidence/bundle-signature.js';
import { recordingLogger } from '../client/recording-logger.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { Consortium, registration } from './support/consortium.js';
import { startSilo, tinySpec } from './support/silo.js';

let checkpoint = '';
let bundle: Bundle;
beforeAll(async () => {
  checkpoint = await tinyCheckpoint();
  const { folder } = await tinyBundle(checkpoint);
  bundle = await openBundle(folder, { verify: false });
});
afterAll(() => rm(checkpoint, { recursive: true, force: true }));

/** A bundle that only its manifest makes whole: what a hostile operator would push. */
async function hostileBundle(folder: string, change: (model: Model) => Model): Promise<Bundle> {
  await cp(bundle.folder, folder, { recursive: true });
  const { file } = bundle.manifest.model;
  const bytes = encodeModel(change(decodeModel(await readFile(join(bundle.folder, file)))));
  await writeFile(join(folder, file), bytes);
  const sha = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');
  const files = bundle.manifest.files.map((entry) =>
    entry.name === file ? { ...entry, bytes: bytes.length, sha256: sha(bytes) } : entry,
  );
  const manifest = { ...bundle.manifest, files };
  const text = Buffer.from(JSON.stringify(manifest));
  await writeFile(join(folder, 'manifest.json'), text);
  return { ...bundle, folder, manifest, sha256: sha(text) };
}

async function run(admin: RpcClient<AdminCalls>, changes: object = {}): Promise<string> {
  await pushBundle(admin, bundle);
  const { runId } = await createRun(admin, bundle, parseRunSpec(tinySpec(bundle.sha256, changes)));
  return runId;
}

const ended = (admin: AdminCalls, runId: string) =>
  expect.poll(async () => (await admin.getRun({ runId })).state, { timeout: 20_000, interval: 100 });

async function journalOf(folder: string) {
  const entries: Record<string, unknown>[] = [];
  for await (const { body } of readLog(join(folder, 'journal.jsonl'))) entries.push(body);
  return entries;
}

describe('a silo with real TLS', () => {
  test('from token to first contribution; the journal and the manifest say what left it', async () => {
    const consortium = await Consortium.start();
    const folder = join(consortium.folder, 'silo');
    const credential = await consortium.enrol(
      await consortium.token('silo', 'a'),
      join(folder, 'credential'),
    );
    await startSilo(folder, { name: 'a', coordinator: consortium.address }, { trainer: new FakeTrainer() });
    const admin = consortium.admin();
    const runId = await run(admin);
    await ended(admin, runId).toBe('RUN_STATE_FINISHED');
    await expect.poll(async () => (await journalOf(folder)).length).toBe(5);
    const journal = await journalOf(folder);
    const { manifests } = await admin.listRoundManifests({ runId });
    const { manifest } = JSON.parse(manifests[0]!) as {
      manifest: { asked: unknown; updates: { sha256: string }[] };
    };
    expect(manifest.asked).toEqual([{ silo: 'a', certificate: credential.facts.serial }]);
    expect(journal.map(({ kind, event, run: id, round }) => [kind, event, id, round])).toEqual([
      ['registration', 'begin', undefined, undefined],
      ['registration', 'accepted', undefined, undefined],
      ['update', 'begin', runId, 1],
      ['update', 'accepted', runId, 1],
      ['progress', 'sent', runId, 1],
    ]);
    expect(journal[2]!.sha256).toBe(manifest.updates[0]!.sha256);
  });

  test('what the rules do not accept waits for the administrator, and begins once he agrees', async () => {
    const consortium = await Consortium.start();
    const folder = join(consortium.folder, 'silo');
    await consortium.enrol(await consortium.token('silo', 'a'), join(folder, 'credential'));
    const trainer = new FakeTrainer();
    const accept = { runs: ['spam-*'], maxLocalSteps: 1 };
    await startSilo(folder, { name: 'a', coordinator: consortium.address, accept }, { trainer });
    const admin = consortium.admin();
    const first = await run(admin);
    await ended(admin, first).toBe('RUN_STATE_FAILED');
    expect(trainer.trained).toHaveLength(0);
    const consents = new Consents(join(folder, 'consents'));
    const [asked] = await consents.list();
    expect(asked).toMatchObject({
      state: 'asked',
      run: first,
      objections: [
        `run ${first} is not accepted (accept.runs)`,
        'localSteps is 2; the silo accepts up to 1 (accept.maxLocalSteps)',
      ],
    });
    const { manifests } = await admin.listRoundManifests({ runId: first });
    expect(manifests).toEqual([]);
    await expect(consents.decide('0'.repeat(16), 'granted', 0)).rejects.toMatchObject({ code: 'not_found' });

    // Agreed to beforehand for exactly this run: another one asks anew.
    const spec = parseRunSpec(tinySpec(bundle.sha256));
    const wish = { runId: 'agreed', bundle: bundle.sha256, spec };
    const rules = { ...accept, bundles: ['*'], signers: ['*'], methods: ['*'], modulesToSave: ['*'] };
    const limits = { maxRank: 9, maxBatchSize: 9, maxTokens: 99, maxRounds: 9, maxLearningRate: 1 };
    await consents.require(wish, { ...rules, ...limits }, 0).catch(() => undefined);
    const question = (await consents.list()).find((consent) => consent.run === 'agreed')!;
    await consents.decide(question.id, 'granted', 1);
    await createRun(admin, bundle, spec, { runId: 'agreed' });
    await ended(admin, 'agreed').toBe('RUN_STATE_FINISHED');
    expect(trainer.trained).toHaveLength(1);
  });

  test('a bundle is loaded only with the signature of a signer that the silo accepts', async () => {
    const consortium = await Consortium.start();
    const folder = join(consortium.folder, 'silo');
    await consortium.enrol(await consortium.token('silo', 'a'), join(folder, 'credential'));
    const trainer = new FakeTrainer();
    const accept = { signers: ['release-team'] };
    await startSilo(folder, { name: 'a', coordinator: consortium.address, accept }, { trainer });
    const admin = consortium.admin();
    const runId = await run(admin); // signed by the coordinator, on push
    await ended(admin, runId).toBe('RUN_STATE_FAILED');
    expect(trainer.trained).toHaveLength(0);
    const { silos } = await admin.getRun({ runId });
    expect(silos[0]?.message).toMatch(/signed by main; this silo loads what release-team signed/);
  });

  const hostile: readonly [what: string, change: (model: Model) => Model, told: RegExp][] = [
    [
      'an operator of another domain',
      (model) => ({
        ...model,
        graph: {
          ...model.graph,
          nodes: model.graph.nodes.map((node, index) =>
            index === 0 ? { ...node, domain: 'evil.corp' } : node,
          ),
        },
      }),
      /operators of the domain evil\.corp are not loaded/,
    ],
    [
      'weights outside its folder',
      (model) => ({
        ...model,
        graph: {
          ...model.graph,
          initializers: new Map(
            [...model.graph.initializers].map(([name, value]) => [
              name,
              value.data.kind === 'external'
                ? { ...value, data: { ...value.data, file: 'sub/secret' } }
                : value,
            ]),
          ),
        },
      }),
      /must lie in a file beside the model/,
    ],
  ];
  for (const [what, change, told] of hostile)
    test(`a bundle with ${what} is never loaded, and everyone hears of it`, async () => {
      const consortium = await Consortium.start();
      const folder = join(consortium.folder, 'silo');
      await consortium.enrol(await consortium.token('silo', 'a'), join(folder, 'credential'));
      const trainer = new FakeTrainer();
      const lines: string[] = [];
      const logger = recordingLogger(lines);
      await startSilo(folder, { name: 'a', coordinator: consortium.address }, { trainer, logger });
      const admin = consortium.admin();
      const evil = await hostileBundle(join(consortium.folder, 'evil'), change);
      await pushBundle(admin, evil);
      const spec = parseRunSpec(tinySpec(evil.sha256));
      // fedrot's own command line already refuses it; a hostile operator has another, and version 0 looks like any other.
      await expect(createRun(admin, evil, spec)).rejects.toThrow(told);
      const { runId } = await createRun(admin, { ...bundle, sha256: evil.sha256 }, spec);
      await ended(admin, runId).toBe('RUN_STATE_FAILED');
      expect(trainer.trained).toHaveLength(0);
      expect(lines.join('')).toMatch(told);
      const { silos } = await admin.getRun({ runId });
      const entry = consortium.audit().find(({ body }) => body.action === 'task.refuse')?.body;
      expect(entry).toMatchObject({ actor: 'silo:a', outcome: 'refused' });
      expect(silos[0]?.message).toMatch(told);
      expect(entry?.detail).toMatch(told);
      expect(entry?.detail).not.toContain(folder);
    });

  test('a signature of a stranger is not taken for a bundle', async () => {
    const consortium = await Consortium.start();
    const admin = consortium.admin();
    const stranger = await createAuthority({ name: 'stranger', nowMs: Date.now() });
    const key = generateSigningKey();
    const issued = await issueCertificate(stranger, {
      publicKey: createPublicKey(key),
      identity: { kind: 'signer', name: 'main' },
      nowMs: Date.now(),
    });
    const text = Buffer.from(signBundle(bundle.sha256, key, issued.chainPem));
    const sha256 = createHash('sha256').update(text).digest();
    const begin = { bundleSha256: bundle.sha256, file: 'manifest.sig.json', bytes: text.length, sha256 };
    await expect(
      admin.pushBundleFile([{ begin }, { chunk: { offset: 0, data: text } }, { digest: { sha256 } }]),
    ).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(consortium.audit().at(-1)?.body).toMatchObject({ actor: 'operator:admin' });
  });

  test('a certificate is renewed in time, and the silo works on without a restart', async () => {
    const consortium = await Consortium.start({ security: { mode: 'tls', certificateDays: 6 / 86_400 } });
    const folder = join(consortium.folder, 'silo');
    const first = await consortium.enrol(await consortium.token('silo', 'a'), join(folder, 'credential'));
    const client = await startSilo(
      folder,
      { name: 'a', coordinator: consortium.address },
      { trainer: new FakeTrainer() },
    );
    let failed = false;
    client.failed.catch(() => (failed = true));
    await expect
      .poll(() => Date.now() > first.facts.notAfterMs + 500, { timeout: 12_000, interval: 200 })
      .toBe(true);
    const now = readCredential(join(folder, 'credential'));
    expect(now.facts.serial).not.toBe(first.facts.serial);
    expect(spki(now.key).equals(spki(first.key))).toBe(false);
    expect(failed).toBe(false);
    const { silos } = await consortium.admin(consortium.tls(await adminFor(consortium))).listSilos({});
    expect(silos[0]).toMatchObject({ silo: 'a', connected: true });
    expect(consortium.audit().some(({ body }) => body.action === 'certificate.renew')).toBe(true);
  });

  test('a silo behind an HTTP proxy joins through CONNECT', async () => {
    const consortium = await Consortium.start();
    const asked: string[] = [];
    const closers: (() => void)[] = [];
    const proxy = createHttpServer();
    proxy.on('connect', (request, downstream, head) => {
      asked.push(`${request.url ?? ''} ${request.headers['proxy-authorization'] ?? ''}`);
      const upstream = connect(consortium.running.grpcPort, '127.0.0.1', () => {
        downstream.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        upstream.write(head);
        upstream.pipe(downstream).pipe(upstream);
      });
      for (const socket of [upstream, downstream]) {
        closers.push(() => socket.destroy());
        socket.on('error', () => undefined);
      }
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      for (const close of closers) close();
      proxy.close();
    });
    const { port } = proxy.address() as { port: number };
    const through = `http://ada:secret@127.0.0.1:${port}`;
    const folder = join(consortium.folder, 'silo');
    await enrol({
      address: consortium.address,
      token: await consortium.token('silo', 'a'),
      fingerprint: consortium.running.access.fingerprint,
      folder: join(folder, 'credential'),
      proxy: parseProxy(through),
      clock: systemClock,
    });
    const security = { proxy: through };
    await startSilo(
      folder,
      { name: 'a', coordinator: consortium.address, security },
      { trainer: new FakeTrainer() },
    );
    await expect
      .poll(async () => (await consortium.admin().listSilos({})).silos[0]?.connected, { timeout: 10_000 })
      .toBe(true);
    expect(asked.length).toBeGreaterThanOrEqual(3);
    expect(new Set(asked)).toEqual(
      new Set([`${consortium.address} Basic ${Buffer.from('ada:secret').toString('base64')}`]),
    );
  });
});

/** The first operator's certificate has run out with the others: a fresh one, as the coordinator writes it at its next start. */
async function adminFor(consortium: Consortium) {
  return consortium.forged({ kind: 'operator', name: 'admin', role: 'admin' }, { validityDays: 1 });
}

describe('behind a load balancer that ends TLS', () => {
  test('signed requests work; unsigned, changed and repeated ones do not', async () => {
    const consortium = await Consortium.start({ security: { mode: 'balancer' } });
    // The balancer has a certificate of the company's own authority, and talks TLS to the coordinator.
    const company = await createAuthority({ name: 'company', nowMs: Date.now() });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const issued = await issueCertificate(company, {
      publicKey: createPublicKey(privateKey),
      identity: { kind: 'coordinator', name: 'balancer' },
      hosts: ['localhost'],
      nowMs: Date.now(),
    });
    const seen: Buffer[] = [];
    const balancer = createTlsServer(
      { key: privateKeyPem(privateKey), cert: issued.chainPem, ALPNProtocols: ['h2'] },
      (downstream) => {
        const upstream = connectTls({
          port: consortium.running.grpcPort,
          host: 'localhost',
          ca: consortium.roots.map(String),
          ALPNProtocols: ['h2'],
        });
        downstream.on('data', (data: Buffer) => seen.push(data));
        upstream.pipe(downstream).pipe(upstream);
        for (const socket of [upstream, downstream]) socket.on('error', () => undefined);
        upstream.once('close', () => downstream.destroy());
        downstream.once('close', () => upstream.destroy());
      },
    );
    await new Promise<void>((resolve) => balancer.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => {
      balancer.close();
    });
    const { port } = balancer.address() as { port: number };
    const address = `localhost:${port}`;

    // The first operator signs too.
    const now = (): number => Date.now();
    const sign = (credential: Consortium['adminCredential'], audience = 'main') => ({
      kind: 'tls' as const,
      roots: [company.root],
      sign: { credential, audience, now },
    });
    const admin = createAdminClient({ address, security: sign(consortium.adminCredential) });
    onTestFinished(() => admin.close());
    const { token, fingerprint } = await admin.createToken({ kind: 'silo', name: 'a' });
    const folder = join(consortium.folder, 'silo');
    const credentials = join(folder, 'credential');
    await enrol({
      address,
      token,
      fingerprint,
      folder: credentials,
      roots: [company.root],
      clock: systemClock,
    });
    writeEnrolment(credentials, {
      format: 'fedrot-enrolment/1',
      coordinator: address,
      audience: 'main',
      kind: 'silo',
      name: 'a',
      mode: 'signed',
      roots: await writePem(join(folder, 'company.pem'), company.root.toString()),
    });
    await startSilo(folder, { name: 'a', coordinator: address }, { trainer: new FakeTrainer() });
    const runId = await run(admin);
    await ended(admin, runId).toBe('RUN_STATE_FINISHED');

    const call = async (security: ReturnType<typeof sign>): Promise<string> => {
      const silo = createSiloClient({ address, security });
      try {
        await silo.register(registration('a'));
        return 'ok';
      } catch (thrown) {
        const { code, message } = thrown as { code: string; message: string };
        return `${code}: ${message}`;
      } finally {
        silo.close();
      }
    };
    const own = readCredential(credentials);
    const { sign: _none, ...unsigned } = sign(own);
    expect(await call(unsigned as never)).toMatch(/^unauthenticated: .*is not signed/);
    expect(await call(sign(own, 'another coordinator'))).toMatch(
      /^unauthenticated: .*signature does not fit/,
    );
    const old = {
      ...sign(own),
      sign: { credential: own, audience: 'main', now: () => Date.now() - 600_000 },
    };
    expect(await call(old)).toMatch(/^unauthenticated: .*check the clocks/);
    expect(await call(sign(own))).toBe('ok');

    // Who may not is known by his signature, and stands in the log by name.
    const asOperator = createAdminClient({ address, security: sign(own) });
    onTestFinished(() => asOperator.close());
    await expect(asOperator.listRuns({})).rejects.toMatchObject({ code: 'permission_denied' });
    await expect
      .poll(() => consortium.refusals().find(({ object }) => object === 'AdminService/ListRuns'))
      .toMatchObject({ actor: 'silo:a', certificate: own.facts.serial });

    // A balancer that sends the same request once more: same signature, same nonce.
    const method = siloService.methods.Register!;
    const body = method.requestSerialize(registration('a'));
    const bodySha256 = createHash('sha256').update(body).digest();
    const headers = signRequest({ audience: 'main', method: method.path, bodySha256 }, own, Date.now());
    const plain = createSiloClient({
      address,
      security: unsigned,
      metadata: () => ({ ...headers }),
    });
    onTestFinished(() => plain.close());
    await plain.register(registration('a'));
    await expect(plain.register(registration('a'))).rejects.toMatchObject({
      code: 'unauthenticated',
      message: expect.stringMatching(/a replay is refused/) as string,
    });
    const changed = { ...registration('a'), examples: 11 };
    const again = signRequest({ audience: 'main', method: method.path, bodySha256 }, own, Date.now());
    const other = createSiloClient({ address, security: unsigned, metadata: () => ({ ...again }) });
    onTestFinished(() => other.close());
    await expect(other.register(changed)).rejects.toMatchObject({ code: 'unauthenticated' });

    // Revoked behind a balancer: the stream ends though the connection is the balancer's.
    const later = createSiloClient({
      address,
      security: sign(own),
      metadata: () => ({ 'fedrot-session': session }),
    });
    onTestFinished(() => later.close());
    let session = '';
    session = (await later.register(registration('a'))).sessionId;
    const watching = (async () => {
      for await (const _assignment of later.watchAssignments({ silo: 'a' }));
    })();
    watching.catch(() => undefined);
    await later.heartbeat({ silo: 'a' });
    await admin.revokeParty({ kind: 'silo', name: 'a', serial: '', reason: '' });
    await expect(watching).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(Buffer.concat(seen).length).toBeGreaterThan(0);
  });
});

async function writePem(path: string, text: string): Promise<string> {
  await writeFile(path, text);
  return path;
}
