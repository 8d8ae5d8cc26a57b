import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAdminClient, type RpcClient } from '../../../src/rpc/client.js';
import type { Run } from '../../../src/rpc/gen/fedrot/v1/Run.js';
import type { AdminCalls } from '../../../src/rpc/services.js';
import type { RunSpecInput } from '../../../src/run-spec.js';
import { parseCoordinatorConfig, type CoordinatorConfigInput } from '../../../src/server/config.js';
import type { RunningCoordinator } from '../../../src/server/running.js';
import { startCoordinator, type StartOptions } from '../../../src/server/start.js';
import { encodeTensorFile } from '../../../src/tensor/encode-file.js';
import { toManifest } from '../../../src/tensor/manifest.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { chunksOf, payloadOf } from './payload.js';

/** A coordinator on a folder of its own, on free ports, with an operator's client. */
export interface TestCoordinator {
  readonly folder: string;
  readonly address: string;
  readonly admin: RpcClient<AdminCalls>;
  readonly running: RunningCoordinator;
  http(path: string): Promise<{ status: number; body: string }>;
  metric(line: string): Promise<number>;
  close(): Promise<void>;
}

export async function tempFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'fedrot-server-'));
}

export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true });
}

export async function startTestCoordinator(
  folder: string,
  config: Partial<CoordinatorConfigInput> = {},
  options: StartOptions = {},
): Promise<TestCoordinator> {
  const running = await startCoordinator(
    parseCoordinatorConfig({
      dataFolder: folder,
      grpc: { port: 0 },
      http: { port: 0 },
      shutdownGraceMs: 1000,
      chunkBytes: 4096,
      ...config,
    }),
    options,
  );
  const address = `127.0.0.1:${running.grpcPort}`;
  const admin = createAdminClient({ address });
  const http = async (path: string): Promise<{ status: number; body: string }> => {
    const response = await fetch(`http://127.0.0.1:${running.httpPort}${path}`);
    return { status: response.status, body: await response.text() };
  };
  return {
    folder,
    address,
    admin,
    running,
    http,
    metric: async (series) => {
      const { body } = await http('/metrics');
      const line = body.split('\n').find((candidate) => candidate.startsWith(`${series} `));
      return line === undefined ? 0 : Number(line.slice(series.length + 1));
    },
    close: async () => {
      admin.close();
      await running.close();
    },
  };
}

const RANK = 2;

/** Factors of two modules and a head, from a seed: rank 2. */
export function factors(seed: number, bZero = false): NamedTensor[] {
  let x = seed * 7919 + 1;
  const values = (count: number): Float32Array =>
    Float32Array.from({ length: count }, () => {
      x = (x * 1103515245 + 12345) % 2147483648;
      return x / 1073741824 - 1;
    });
  return ['query', 'value']
    .flatMap((name) => [
      { name: `base_model.model.${name}.lora_A.weight`, shape: [RANK, 600], data: values(RANK * 600) },
      {
        name: `base_model.model.${name}.lora_B.weight`,
        shape: [500, RANK],
        data: bZero ? new Float32Array(500 * RANK) : values(500 * RANK),
      },
    ])
    .concat([{ name: 'base_model.model.classifier.bias', shape: [2], data: values(2) }]);
}

const MODEL = Buffer.from('not really a model');
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const MANIFEST = Buffer.from(
  JSON.stringify({
    format: 'fedrot-bundle',
    files: [{ name: 'model.onnx', bytes: MODEL.length, sha256: sha256(MODEL).toString('hex') }],
  }),
);
export const BUNDLE = sha256(MANIFEST).toString('hex');
export const BUNDLE_FILES: Readonly<Record<string, Buffer>> = {
  'model.onnx': MODEL,
  'manifest.json': MANIFEST,
};

export async function pushFile(
  admin: AdminCalls,
  file: string,
  content: Buffer,
  digest: Buffer = sha256(content),
): Promise<boolean> {
  const { complete } = await admin.pushBundleFile([
    { begin: { bundleSha256: BUNDLE, file, bytes: content.length } },
    { chunk: { offset: 0, data: content } },
    { digest: { sha256: digest } },
  ]);
  return complete;
}

export async function pushBundle(admin: AdminCalls): Promise<void> {
  for (const [file, content] of Object.entries(BUNDLE_FILES)) await pushFile(admin, file, content);
}

export function specOf(changes: Partial<RunSpecInput> = {}): RunSpecInput {
  return {
    name: 'mail',
    bundle: BUNDLE,
    task: { kind: 'text-classification', labels: ['ham', 'spam'] },
    lora: { rank: RANK },
    rounds: { count: 2, minSilos: 3, deadlineMs: 30_000 },
    evaluation: { every: 0 },
    ...changes,
  };
}

export async function createRun(
  admin: AdminCalls,
  spec: RunSpecInput = specOf(),
  initial: readonly NamedTensor[] = factors(1, true),
  runId = '',
): Promise<string> {
  const { bytes, sha256: hash } = encodeTensorFile(initial);
  const manifest = toManifest(initial.map(({ name, shape }) => ({ name, shape, dtype: 'f32' })));
  const created = await admin.createRun([
    { begin: { specJson: JSON.stringify(spec), manifest, runId } },
    ...chunksOf(payloadOf(bytes), 0, 4096),
    { digest: { sha256: Buffer.from(hash, 'hex') } },
  ]);
  return created.runId;
}

export async function getRun(admin: AdminCalls, runId: string): Promise<Run> {
  return admin.getRun({ runId });
}

/** Waits until the run is as wanted; the test's own time limit ends a wait in vain. */
export async function untilRun(
  admin: AdminCalls,
  runId: string,
  wanted: (run: Run) => boolean,
): Promise<Run> {
  for await (const { run } of admin.watchRun({ runId })) if (run && wanted(run)) return run;
  const run = await getRun(admin, runId);
  if (wanted(run)) return run;
  throw new Error(`run ${runId} ended otherwise: ${run.state} ${run.phase} ${run.reason}`);
}

/** The run, over and measured. */
export async function untilMeasured(admin: AdminCalls, runId: string): Promise<Run> {
  return untilRun(
    admin,
    runId,
    ({ phase, rounds }) => phase === 'done' && rounds.every(({ diagnosis }) => diagnosis !== 'pending'),
  );
}

export async function fetchAdapter(
  admin: AdminCalls,
  runId: string,
  version: number,
  offset = 0,
): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const { chunk } of admin.fetchAdapter({ runId, version, offset }))
    if (chunk) parts.push(chunk.data);
  return Buffer.concat(parts);
}
