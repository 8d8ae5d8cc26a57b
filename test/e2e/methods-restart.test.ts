import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { e2e, freePort } from '../support/e2e.js';
import type { Processes, TestProcess } from '../support/processes.js';

/** Real processes, real training of a tiny model: a kill -9 in mid-run changes no bit of what a method with state or merges publishes. */
const ROUNDS = 4;
const SILOS = ['north', 'south'] as const;

interface AdapterJson {
  readonly version: number;
  readonly sha256: string;
}

class Federation {
  #coordinator: TestProcess | undefined;
  readonly #silos = new Map<string, TestProcess>();

  constructor(
    private readonly processes: Processes,
    private readonly folder: string,
    private readonly port: number,
  ) {}

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async startCoordinator(): Promise<void> {
    this.#coordinator = this.processes.start('coordinator', [
      ...['coordinator', '--json', '--data-folder', join(this.folder, 'coordinator')],
      ...['--grpc-port', String(this.port), '--http-port', '0', '--log-format', 'json'],
    ]);
    await this.#coordinator.line(/"ready":true/);
  }

  async startSilo(name: string): Promise<void> {
    const silo = this.processes.start(name, [
      ...['client', '--json', '--name', name, '--coordinator', this.address],
      ...['--data-train', join(this.folder, `${name}.jsonl`), '--folder', join(this.folder, name)],
      ...['--threads', '1', '--log-format', 'json', '--shutdown-grace-ms', '2000'],
    ]);
    await silo.line(/"ready":true/);
    this.#silos.set(name, silo);
  }

  async kill(name: 'coordinator' | (typeof SILOS)[number]): Promise<void> {
    await (name === 'coordinator' ? this.#coordinator : this.#silos.get(name))?.kill9();
  }

  create(bundle: string, name: string, aggregation: string): Promise<{ run: string }> {
    const file = join(this.folder, `${name}.yaml`);
    writeFileSync(file, `aggregation: ${aggregation}\n`);
    return this.processes.json([
      ...['run', 'create', '--bundle', bundle, '--name', name, '--coordinator', this.address],
      ...['--rounds-count', String(ROUNDS), '--rounds-min-silos', '2', '--training-local-steps', '3'],
      ...['--training-batch-size', '4', '--task', '{maxTokens: 16}', '--lora-rank', '2', '--seed', '5'],
      ...['--file', file],
    ]);
  }

  /** Waits until the coordinator that runs now has published a version. */
  async published(run: string, round: number): Promise<void> {
    await this.#coordinator?.log(/^published an adapter$/, { fields: { run, round } });
  }

  async adapters(run: string): Promise<string[]> {
    const list = await this.processes.json<AdapterJson[]>([
      'adapter',
      'list',
      run,
      '--coordinator',
      this.address,
    ]);
    return list.map(({ sha256 }) => sha256);
  }
}

const METHODS = {
  fedadam: '{method: fedrot, serverOptimizer: {kind: fedadam}}',
  flora: '{method: flora}',
  fedsa: '{method: fedsa}',
} as const;

/** Twelve examples, every `period`th of the first class. */
const texts = (period: number, labels: readonly string[]): string =>
  Array.from({ length: 12 }, (_, at) => {
    const first = at % period === 0;
    return JSON.stringify({
      text: first ? 'free money now' : 'meeting tomorrow',
      label: labels[first ? 0 : 1],
    });
  }).join('\n');

describe('a kill -9 in mid-run', () => {
  e2e(
    'of coordinator and silo: FedAdam’s moments, flora’s merges and fedsa’s own B go on to the same bits',
    async ({ processes, folder }) => {
      const checkpoint = await tinyCheckpoint();
      const { folder: bundle, manifest } = await tinyBundle(checkpoint);
      const federation = new Federation(processes, folder, await freePort());
      for (const [index, name] of SILOS.entries())
        writeFileSync(join(folder, `${name}.jsonl`), texts(2 + index, manifest.task.labels));
      await federation.startCoordinator();
      for (const name of SILOS) await federation.startSilo(name);
      for (const [name, aggregation] of Object.entries(METHODS)) {
        const { run: calm } = await federation.create(bundle, `${name}-calm`, aggregation);
        await federation.published(calm, ROUNDS);
        const { run: disturbed } = await federation.create(bundle, `${name}-disturbed`, aggregation);
        await federation.published(disturbed, 1);
        await federation.kill('coordinator');
        await federation.kill('south');
        await federation.startCoordinator();
        await federation.startSilo('south');
        await federation.published(disturbed, ROUNDS);
        expect((await federation.adapters(disturbed)).slice(1), name).toEqual(
          (await federation.adapters(calm)).slice(1),
        );
        const replayed = await processes.run([
          'audit',
          'replay',
          disturbed,
          '--coordinator',
          federation.address,
        ]);
        expect(replayed.exit, replayed.describe()).toEqual({ code: 0, signal: null });
        expect(
          replayed.stdout.filter((line) => line.startsWith('same')),
          replayed.describe(),
        ).toHaveLength(ROUNDS);
      }
      rmSync(checkpoint, { recursive: true });
    },
    300_000,
  );
});
