import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRun } from '../../src/cli/admin/create-run.js';
import { pushBundle } from '../../src/cli/admin/push-bundle.js';
import { clientConfigSchema, type ClientConfigInput } from '../../src/client/config.js';
import { startClient, type RunningClient } from '../../src/client/daemon.js';
import type { Trainer } from '../../src/client/training/local-trainer.js';
import { openBundle, type Bundle } from '../../src/model/bundle.js';
import type { Run } from '../../src/rpc/gen/fedrot/v1/Run.js';
import { parseRunSpec, type RunSpec, type RunSpecInput } from '../../src/run-spec.js';
import { readTensorFile } from '../../src/tensor/read-tensors.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { startTestCoordinator, untilMeasured, type TestCoordinator } from '../server/support/harness.js';
import { StubTrainer } from './stub-trainer.js';

/** A real coordinator and real daemons with a tiny BERT, in this process; training takes no time unless a trainer is given. */
export class Federation {
  readonly trainers = new Map<string, StubTrainer>();
  readonly #clients = new Map<string, RunningClient>();

  private constructor(
    readonly folder: string,
    readonly bundle: Bundle,
    public coordinator: TestCoordinator,
  ) {}

  static async start(): Promise<Federation> {
    const checkpoint = await tinyCheckpoint();
    const { folder: bundleFolder } = await tinyBundle(checkpoint);
    const folder = mkdtempSync(join(tmpdir(), 'fedrot-federation-'));
    const bundle = await openBundle(bundleFolder, { verify: true });
    const coordinator = await startTestCoordinator(join(folder, 'coordinator'));
    await pushBundle(coordinator.admin, bundle);
    return new Federation(folder, bundle, coordinator);
  }

  /** A silo with so many examples; the same name again is the same silo, restarted. */
  async silo(
    name: string,
    examples: number,
    changes: Partial<ClientConfigInput> = {},
    trainer?: Trainer,
  ): Promise<StubTrainer> {
    const { labels } = this.bundle.manifest.task;
    const lines = Array.from({ length: examples }, (_, index) =>
      JSON.stringify({ text: `free offer ${index}`, label: labels[index % labels.length] }),
    );
    const path = join(this.folder, `${name}.jsonl`);
    writeFileSync(path, lines.join('\n'));
    const config = clientConfigSchema.parse({
      name,
      coordinator: this.coordinator.address,
      folder: join(this.folder, name),
      shutdownGraceMs: 100,
      data: changes.role === 'evaluator' ? { test: path } : { train: path },
      ...changes,
    });
    const stub = new StubTrainer();
    this.trainers.set(name, stub);
    const client = await startClient(config, {
      trainer: trainer ?? stub,
      retry: { initialMs: 20, maxMs: 100, factor: 2, maxAttempts: Infinity },
    });
    this.#clients.set(name, client);
    return stub;
  }

  async leave(name: string): Promise<void> {
    await this.#clients.get(name)?.close();
    this.#clients.delete(name);
  }

  spec(changes: Partial<RunSpecInput> = {}): RunSpec {
    return parseRunSpec({
      name: 'run',
      bundle: this.bundle.sha256,
      task: { kind: 'text-classification', labels: this.bundle.manifest.task.labels, maxTokens: 16 },
      lora: { rank: 4, alpha: 8 },
      rounds: { count: 2, minSilos: 2, deadlineMs: 60_000 },
      evaluation: { every: 0 },
      training: { localSteps: 2, batchSize: 2 },
      seed: 3,
      ...changes,
    });
  }

  async create(changes: Partial<RunSpecInput> = {}): Promise<string> {
    return (await createRun(this.coordinator.admin, this.bundle, this.spec(changes))).runId;
  }

  /** Waits for the end of a run, which must be a good one. */
  async finished(runId: string): Promise<Run> {
    const run = await untilMeasured(this.coordinator.admin, runId);
    if (run.state !== 'RUN_STATE_FINISHED') throw new Error(`run ${runId}: ${run.state}: ${run.reason}`);
    return run;
  }

  /** A tensor file of the coordinator, by its SHA-256. */
  tensors(sha256: Uint8Array): NamedTensor[] {
    const name = `${Buffer.from(sha256).toString('hex')}.safetensors`;
    return readTensorFile(join(this.folder, 'coordinator', 'tensors', name));
  }

  async version(runId: string, version: number): Promise<NamedTensor[]> {
    const { adapters } = await this.coordinator.admin.listAdapters({ runId });
    const found = adapters.find((adapter) => adapter.version === version);
    if (!found) throw new Error(`no version ${version}`);
    return this.tensors(found.sha256);
  }

  async close(): Promise<void> {
    for (const name of [...this.#clients.keys()]) await this.leave(name);
    await this.coordinator.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
