// The processes of the bench: the coordinator as users start it, handlers to compare it with, generators of load, a link with delay.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createAdminClient } from '../../dist/rpc/client.js';
import { Child } from '../train/child-process.mjs';
import { adapterOf, chunksOf, fileOf, SHAPES } from './payload.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Most memory that a process had resident so far, MB; undefined where the system does not say. */
export function peakMB(pid) {
  try {
    return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1000;
  } catch {
    return undefined;
  }
}

/** Processor time of a process so far, s. */
export function cpuSeconds(pid) {
  try {
    const [user, system] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ').slice(11, 13);
    return (Number(user) + Number(system)) / 100;
  } catch {
    return undefined;
  }
}

/** A process that says with its first line of JSON that it is ready. */
export async function startProcess(args, { command = process.execPath, env = {} } = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  let last = '';
  child.stderr.on('data', (data) => (last = (last + data).slice(-4000)));
  const lines = createInterface({ input: child.stdout });
  const ready = await new Promise((resolve, reject) => {
    lines.on('line', (line) => line.startsWith('{') && resolve(JSON.parse(line)));
    child.once('exit', () => reject(new Error(`${args[0]} ended: ${last}`)));
  });
  return {
    ready,
    pid: child.pid,
    stop: async () => {
      child.kill('SIGTERM');
      child.stdin.end();
      await ended;
    },
  };
}

export const temporaryFolder = () => mkdtempSync(join(tmpdir(), 'fedrot-bench-'));
export const remove = (folder) => rmSync(folder, { recursive: true, force: true });

export async function startRaw(kind, folder) {
  const server = await startProcess([here('raw-server.mjs'), kind, ...(folder ? [folder] : [])]);
  return { ...server, address: `127.0.0.1:${server.ready.port}` };
}

export async function startProxy(target, rttMs) {
  const proxy = await startProcess([here('delay-proxy.mjs'), target, String(rttMs)]);
  return { ...proxy, address: `127.0.0.1:${proxy.ready.port}` };
}

/** Generators of load with so many silos altogether. */
export async function startSilos({ address, shape, count, processes = 1, join: joins = true }) {
  const loads = Array.from({ length: processes }, () => new Child(process.execPath, [here('load.mjs')], {}));
  const share = Math.ceil(count / processes);
  const each = (ask) =>
    Promise.all(loads.map((load, i) => load.ask(typeof ask === 'function' ? ask(i) : ask)));
  await each((i) => ({
    ask: 'open',
    address,
    shape,
    first: i * share,
    count: Math.min(share, count - i * share),
    join: joins,
  }));
  return {
    each,
    /** One answer of all: sums of counts and bytes, the earliest beginning, the latest acknowledgement. */
    async answer(ask) {
      const answers = await each({ ask: 'answer', ...ask });
      const of = (key) => answers.map((answer) => answer[key]);
      const sum = (key) => of(key).reduce((total, value) => total + value, 0);
      return {
        began: Math.min(...of('began')),
        acknowledged: Math.max(...of('acknowledged')),
        count: sum('count'),
        bytes: sum('bytes'),
      };
    },
    close: () => Promise.all(loads.map((load) => load.end())),
  };
}

const sha256 = (data) => createHash('sha256').update(data).digest();
const MODEL = Buffer.from('no model: nobody trains in this bench');
const MANIFEST = Buffer.from(
  JSON.stringify({
    format: 'fedrot-bundle',
    files: [{ name: 'model.onnx', bytes: MODEL.length, sha256: sha256(MODEL).toString('hex') }],
  }),
);

/** As the image and the systemd unit start it. */
const NODE_OPTIONS = '--max-semi-space-size=4';

/** The real coordinator on a folder of its own, in plaintext on loopback, with an operator's client. */
export async function startCoordinator(flags = []) {
  const folder = temporaryFolder();
  const args = [
    ...[join(root, 'dist/cli/main.js'), 'coordinator', '--json', '--data-folder', folder, '--grpc-port', '0'],
    ...['--http-port', '0', '--log-level', 'warn', ...flags],
  ];
  const daemon = await startProcess(args, { env: { NODE_OPTIONS } });
  const address = `127.0.0.1:${daemon.ready.grpcPort}`;
  const admin = createAdminClient({ address });
  return {
    address,
    pid: daemon.pid,
    admin,
    peakMB: () => peakMB(daemon.pid),
    cpuSeconds: () => cpuSeconds(daemon.pid),
    async createRun({ shape, method, silos, rounds = 1000, runId = 'bench' }) {
      const bundleSha256 = sha256(MANIFEST).toString('hex');
      for (const [file, data] of [
        ['model.onnx', MODEL],
        ['manifest.json', MANIFEST],
      ])
        await admin.pushBundleFile([
          { begin: { bundleSha256, file, bytes: data.length } },
          { chunk: { offset: 0, data } },
          { digest: { sha256: sha256(data) } },
        ]);
      const { payload, manifest, sha256: hash } = fileOf(adapterOf(SHAPES[shape]));
      const spec = {
        name: 'bench',
        bundle: bundleSha256,
        task: { kind: 'text-classification', labels: ['a', 'b'] },
        lora: { rank: SHAPES[shape].rank },
        aggregation: METHODS[method],
        rounds: { count: rounds, minSilos: silos, deadlineMs: 600_000 },
        evaluation: { every: 0 },
      };
      await admin.createRun([
        { begin: { specJson: JSON.stringify(spec), manifest, runId } },
        ...chunksOf(payload),
        { digest: { sha256: hash } },
      ]);
      return { runId, published: watchVersions(admin, runId) };
    },
    async stop() {
      admin.close();
      await daemon.stop();
      remove(folder);
    },
  };
}

export const METHODS = {
  averaged: { method: 'fedit' },
  aligned: { method: 'fedrot', options: { lambda: 0.6 } },
};

/** A function that resolves, when a version is published, with the time at which the operator's client heard of it. */
function watchVersions(admin, runId) {
  const seen = new Map();
  let wake = () => undefined;
  let failed;
  const watch = async () => {
    for await (const { run } of admin.watchRun({ runId })) {
      const newest = run?.version ?? 0;
      if (!seen.has(newest)) seen.set(newest, { at: performance.timeOrigin + performance.now(), run });
      wake();
    }
  };
  watch().catch((error) => {
    failed = error;
    wake();
  });
  return async (version) => {
    for (;;) {
      const found = [...seen.keys()].find((known) => known >= version);
      if (found !== undefined) return seen.get(found);
      if (failed) throw failed;
      await new Promise((resolve) => (wake = resolve));
    }
  };
}
