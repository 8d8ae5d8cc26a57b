// A coordinator and its silos as processes, on a folder of their own; one run from creation to its end.
import { cpSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createAdminClient } from '../../dist/rpc/client.js';
import { encodeTensorFile } from '../../dist/tensor/encode-file.js';
import { toManifest } from '../../dist/tensor/manifest.js';
import { startProxy } from './proxy.mjs';
import { Daemon } from './process.mjs';
import { SILOS } from './plan.mjs';

const RANK = 4;
/** With it an update has 41 kB: large enough for the thread that takes uploads (upload-desk.ts). */
const SIDE = 640;

/** Version 0: two modules and a head. */
function initialAdapter() {
  const values = (count, phase) =>
    Float32Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i + phase)));
  return [
    ...['query', 'value'].flatMap((name, at) => [
      { name: `base_model.model.${name}.lora_A.weight`, shape: [RANK, SIDE], data: values(RANK * SIDE, at) },
      {
        name: `base_model.model.${name}.lora_B.weight`,
        shape: [SIDE, RANK],
        data: values(RANK * SIDE, at + 9),
      },
    ]),
    { name: 'base_model.model.classifier.bias', shape: [2], data: values(2, 3) },
  ];
}

/** Below those that the system gives away of itself (from 32,768 on Linux): a coordinator that comes back finds its own again. */
let nextPort = 20_000 + 1000 * (process.pid % 12);

async function freePort() {
  for (;;) {
    const port = nextPort++;
    const server = createServer();
    const free = await new Promise((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}

export class Federation {
  silos = new Map();
  proxies = new Map();

  static async start(folder, given) {
    const federation = new Federation();
    await federation.#start(folder, given);
    return federation;
  }

  async #start(folder, { bundle, pki }) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.bundle = bundle;
    this.port = await freePort();
    this.data = join(folder, 'coordinator');
    cpSync(pki, join(this.data, 'pki'), { recursive: true });
    const config = join(folder, 'coordinator.json');
    writeFileSync(
      config,
      JSON.stringify({
        dataFolder: this.data,
        grpc: { port: this.port },
        http: { port: 0 },
        heartbeatIntervalMs: 400,
        reconnectGraceMs: 4000,
        streamIdleMs: 2000,
        shutdownGraceMs: 0,
        chunkBytes: 4096,
        limits: { minFreeDiskBytes: 0 },
        log: { format: 'json' },
      }),
    );
    this.coordinator = new Daemon('coordinator', ['coordinator', '--json', '--config', config], {
      preload: 'faults',
      controlFile: join(folder, 'coordinator.control'),
    });
    const ready = this.coordinator.start();
    const train = join(folder, 'train.jsonl');
    writeFileSync(
      train,
      bundle.labels.map((label) => `${JSON.stringify({ text: 'we win money', label })}\n`).join(''),
    );
    for (const name of SILOS) {
      const proxy = await startProxy(this.port);
      this.proxies.set(name, proxy);
      const silo = new Daemon(
        name,
        [
          ...['client', '--json', '--name', name, '--coordinator', `127.0.0.1:${proxy.port}`],
          ...['--data-train', train, '--folder', join(folder, name), '--threads', '1'],
          ...['--log-format', 'json', '--shutdown-grace-ms', '0'],
        ],
        { preload: 'silo', controlFile: join(folder, `${name}.control`) },
      );
      this.silos.set(name, silo);
      silo.ready = silo.start();
    }
    await ready;
    await Promise.all([...this.silos.values()].map((silo) => silo.ready));
    this.admin = createAdminClient({ address: `127.0.0.1:${this.port}` });
  }

  async createRun(rounds) {
    const { admin, bundle } = this;
    for (const name of [...bundle.files, 'manifest.json']) {
      const data = readFileSync(join(bundle.folder, name));
      await admin.pushBundleFile([
        { begin: { bundleSha256: bundle.sha256, file: name, bytes: data.length } },
        ...pieces(data),
        { digest: { sha256: sha256(data) } },
      ]);
    }
    const spec = {
      name: 'storm',
      bundle: bundle.sha256,
      task: { kind: 'text-classification', labels: bundle.labels },
      lora: { rank: RANK },
      rounds,
      evaluation: { every: 0 },
      seed: 7,
    };
    const initial = initialAdapter();
    const { bytes, sha256: hash } = encodeTensorFile(initial);
    const payload = bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
    const manifest = toManifest(initial.map(({ name, shape }) => ({ name, shape, dtype: 'f32' })));
    const { runId } = await admin.createRun([
      { begin: { specJson: JSON.stringify(spec), manifest, runId: 'storm' } },
      ...pieces(payload),
      { digest: { sha256: Buffer.from(hash, 'hex') } },
    ]);
    return runId;
  }

  /** The run when it is over; undefined where that takes too long. */
  async finished(runId, timeoutMs) {
    const deadline = performance.now() + timeoutMs;
    while (performance.now() < deadline) {
      const run = await this.admin.getRun({ runId }).catch(() => undefined);
      if (run?.phase === 'done') return run;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return undefined;
  }

  async stop() {
    this.admin?.close();
    await Promise.all([...this.silos.values()].map((silo) => silo.stop()));
    await this.coordinator?.stop();
    for (const proxy of this.proxies.values()) proxy.close();
  }
}

/** An authority that is a day old: a clock that is set back by an hour is not before its time. */
export async function makeAuthority(folder) {
  mkdirSync(folder, { recursive: true });
  const data = join(folder, 'data');
  const daemon = new Daemon(
    'authority',
    [
      'coordinator',
      '--json',
      '--data-folder',
      data,
      '--grpc-port',
      '0',
      '--http-port',
      '0',
      '--log-format',
      'json',
    ],
    { preload: 'faults', controlFile: join(folder, 'control') },
  );
  daemon.set({ offsetMs: -86_400_000 });
  await daemon.start();
  await daemon.stop();
  return join(data, 'pki');
}

const { createHash } = await import('node:crypto');
const sha256 = (data) => createHash('sha256').update(data).digest();

function pieces(data, size = 65_536) {
  const parts = [];
  for (let offset = 0; offset < data.length; offset += size)
    parts.push({ chunk: { offset, data: data.subarray(offset, offset + size) } });
  return parts;
}
