import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseCoordinatorConfig, type CoordinatorConfigInput } from '../../../src/server/config.js';
import type { ModelTools } from '../../../src/server/model-tools.js';
import type { RunningCoordinator } from '../../../src/server/running.js';
import { startCoordinator } from '../../../src/server/start.js';
import { createAdminClient } from '../../../src/rpc/client.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { Random } from '../../../src/random.js';
import { FakeSilo } from '../../server/support/fake-silo.js';
import { removeFolder, tempFolder } from '../../server/support/harness.js';

const LAYERS = 6;
const WIDTH = 48;
const RANK = 4;
const ENDS = ['query', 'value'] as const;
const NAMES = Array.from({ length: LAYERS }, (_, layer) =>
  ENDS.map((end) => `bert.encoder.layer.${layer}.attention.self.${end}`),
).flat();

const hash = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest();
const WEIGHTS = Buffer.from('the weights of a small model');

/** What the coordinator and the dashboard read of a bundle; no silo of these tests opens it. */
const MANIFEST = Buffer.from(
  JSON.stringify({
    format: 'fedrot-bundle',
    files: [{ name: 'model.onnx', bytes: WEIGHTS.length, sha256: hash(WEIGHTS).toString('hex') }],
    task: { kind: 'text-classification', labels: ['ham', 'spam'] },
    model: { maxTokens: 512, quantization: null },
    base: { name: 'sentence-transformers/all-MiniLM-L6-v2', architecture: 'bert', configName: null },
    modules: { adaptable: [...NAMES, 'classifier'].map((name) => ({ name })), head: ['classifier'] },
  }),
);
export const BUNDLE = hash(MANIFEST).toString('hex');

/** Factors as a silo would have them: near a shared direction, in a basis of its own. */
export function factors(seed: string, turned: number, bZero = false): readonly NamedTensor[] {
  return NAMES.flatMap((name) => {
    const shared = Random.of('shared', name);
    const own = Random.of(seed, name);
    const mix = (): number => shared.normal() * (1 - turned) + own.normal() * turned;
    const values = (length: number, zero = false): Float32Array =>
      Float32Array.from({ length }, () => (zero ? 0 : mix() * 0.1));
    return [
      { name: `base_model.model.${name}.lora_A.weight`, shape: [RANK, WIDTH], data: values(RANK * WIDTH) },
      {
        name: `base_model.model.${name}.lora_B.weight`,
        shape: [WIDTH, RANK],
        data: values(WIDTH * RANK, bZero),
      },
    ];
  });
}

const models: ModelTools = {
  initialAdapter: async () => factors('initial', 0.5, true),
  adapterConfig: async (spec, names) => ({ peft_type: 'LORA', r: spec.lora.rank, tensors: names.length }),
};

/** A silo that does what daemons do, at a pace: reports steps, uploads, waits for the next task. */
class WorkingSilo extends FakeSilo {
  #over = false;

  async work(paceMs: () => number, examples: number): Promise<void> {
    const done = new Set<string>();
    for (;;) {
      const { taskId, train } = await this.assignment(
        (each) => each.train !== null && !done.has(each.taskId),
      );
      if (this.#over || !train) return;
      done.add(taskId);
      const total = 20;
      for (let step = 4; step <= total; step += 4) {
        await sleep(paceMs() / 5);
        await this.calls.reportProgress({
          silo: this.name,
          taskId,
          step,
          totalSteps: total,
          loss: 0.9 / (1 + train.round * 0.3) + 0.05 * Math.sin(step),
          phase: 'training',
        });
      }
      const turned = 0.25 + 0.5 * Random.of(this.name).uniform() * (1 / (1 + train.round * 0.15));
      await this.submit({ taskId, train }, factors(`${this.name}/${train.round}`, turned), {
        examples,
        metrics: { loss: 0.9 / (1 + train.round * 0.3), steps: total, seconds: 2, tokens: 4000 },
      });
    }
  }

  /** Scores versions: a curve that rises and flattens. */
  async evaluate(): Promise<void> {
    const done = new Set<string>();
    for (;;) {
      const { taskId, evaluate } = await this.assignment(
        (each) => each.evaluate !== null && !done.has(each.taskId),
      );
      if (this.#over || !evaluate) return;
      done.add(taskId);
      const version = evaluate.adapter?.version ?? 0;
      const gain = 1 - Math.exp(-version / 4);
      await this.calls.submitEvaluation({
        silo: this.name,
        taskId,
        runId: evaluate.runId,
        version,
        examples: 1200,
        loss: 0.69 - 0.55 * gain,
        accuracy: 0.52 + 0.45 * gain + 0.008 * Math.sin(version * 2.1),
      });
    }
  }

  override close(): void {
    this.#over = true;
    super.close();
  }
}

/** A coordinator that can be stopped and started again at the same addresses, and silos that work for it. */
export class Federation {
  #running: RunningCoordinator | undefined;
  #ports = { grpc: 0, http: 0 };
  readonly #silos: WorkingSilo[] = [];
  paceMs = 400;

  private constructor(
    readonly folder: string,
    readonly config: Partial<CoordinatorConfigInput>,
  ) {}

  static async start(
    config: Partial<CoordinatorConfigInput> = {},
    prepare: (folder: string) => Promise<void> = async () => undefined,
  ): Promise<Federation> {
    const federation = new Federation(await tempFolder(), config);
    await prepare(federation.folder);
    await federation.startCoordinator();
    return federation;
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#ports.http}`;
  }

  async startCoordinator(): Promise<void> {
    const { grpc, http } = this.#ports;
    this.#running = await startCoordinator(
      parseCoordinatorConfig({
        dataFolder: this.folder,
        heartbeatIntervalMs: 1000,
        shutdownGraceMs: 500,
        ...this.config,
        grpc: { port: grpc },
        http: { ...this.config.http, port: http },
      }),
      { models, softwareVersion: '0.1.0' },
    );
    this.#ports = { grpc: this.#running.grpcPort, http: this.#running.httpPort };
  }

  async stopCoordinator(): Promise<void> {
    for (const silo of this.#silos.splice(0)) silo.close();
    await this.#running?.close();
    this.#running = undefined;
  }

  async pushBundle(): Promise<void> {
    const admin = createAdminClient({ address: `127.0.0.1:${this.#ports.grpc}` });
    for (const [file, content] of [
      ['model.onnx', WEIGHTS],
      ['manifest.json', MANIFEST],
    ] as const)
      await admin.pushBundleFile([
        { begin: { bundleSha256: BUNDLE, file, bytes: content.length } },
        { chunk: { offset: 0, data: content } },
        { digest: { sha256: hash(content) } },
      ]);
    admin.close();
  }

  async join(...names: readonly string[]): Promise<void> {
    for (const [index, name] of names.entries()) {
      const silo = await new WorkingSilo(name, `127.0.0.1:${this.#ports.grpc}`).join();
      this.#silos.push(silo);
      const pace = (): number => this.paceMs * (0.7 + Random.of(name).uniform());
      void silo.work(pace, 400 + 173 * index).catch(() => undefined);
    }
  }

  async joinEvaluator(name: string): Promise<void> {
    const silo = await new WorkingSilo(name, `127.0.0.1:${this.#ports.grpc}`).join('EVALUATOR');
    this.#silos.push(silo);
    void silo.evaluate().catch(() => undefined);
  }

  async api<T>(path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.origin}/api/v1${path}`, {
      ...(body && {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { 'Content-Type': 'application/json' },
      }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** Starts a run by the API; resolves with its id. */
  async createRun(name: string, rounds: number, more: object = {}): Promise<string> {
    const spec = {
      name,
      bundle: BUNDLE,
      task: { kind: 'text-classification', labels: ['ham', 'spam'] },
      lora: { rank: RANK },
      rounds: { count: rounds, minSilos: 2, deadlineMs: 600_000 },
      ...more,
    };
    return (await this.api<{ id: string }>('/runs', { spec })).id;
  }

  async close(): Promise<void> {
    await this.stopCoordinator();
    await removeFolder(this.folder);
  }
}
