import { afterEach, beforeEach } from 'vitest';
import type { StartOptions } from '../../../src/server/start.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { FakeSilo, type Task } from './fake-silo.js';
import {
  factors,
  pushBundle,
  removeFolder,
  startTestCoordinator,
  tempFolder,
  type TestCoordinator,
} from './harness.js';

/** The update of a silo with a name of one letter: another one in each round. */
export function updateOf(name: string, round: number): NamedTensor[] {
  return factors(name.charCodeAt(0) * 10 + round);
}

/** A coordinator on a folder of its own and silos that work for it, each step by hand, also across restarts. */
class SiloGroup {
  folder = '';
  silos: FakeSilo[] = [];
  #coordinator: TestCoordinator | undefined;

  constructor(
    readonly names: readonly string[],
    readonly evaluators: readonly string[],
  ) {}

  /** The one that runs, or ran last. */
  get coordinator(): TestCoordinator {
    if (!this.#coordinator) throw new Error('no coordinator was started');
    return this.#coordinator;
  }

  async start(
    options: StartOptions = {},
    folder = this.folder,
    config: Parameters<typeof startTestCoordinator>[1] = {},
  ): Promise<void> {
    this.#coordinator = await startTestCoordinator(folder, config, options);
  }

  /** Silos before evaluators, in the order of their names. */
  async join(): Promise<void> {
    const { address } = this.coordinator;
    this.silos = await Promise.all(this.names.map((name) => new FakeSilo(name, address).join()));
    for (const name of this.evaluators) this.silos.push(await new FakeSilo(name, address).join('EVALUATOR'));
  }

  /** Coordinator, bundle and silos. */
  async setUp(options: StartOptions = {}, folder = this.folder): Promise<void> {
    await this.start(options, folder);
    await pushBundle(this.coordinator.admin);
    await this.join();
  }

  /** All silos are gone without a word. */
  leave(): void {
    for (const silo of this.silos.splice(0)) silo.close();
  }

  async stop(): Promise<void> {
    this.leave();
    await this.#coordinator?.close();
  }

  /** The coordinator alone: silos do not join by themselves. */
  async restart(options: StartOptions = {}): Promise<void> {
    await this.stop();
    await this.start(options);
  }

  silo(name: string): FakeSilo {
    const silo = this.silos.find((candidate) => candidate.name === name);
    if (!silo) throw new Error(`no silo ${name}`);
    return silo;
  }

  /** Delivers what the silo was asked for in that round of its own. */
  async submit(name: string, round: number): Promise<Task> {
    const task = await this.silo(name).task(round);
    await this.silo(name).submit(task, updateOf(name, round));
    return task;
  }
}

/** A group with a fresh folder in each test of the file, and nothing left after it. */
export function siloGroup(names: readonly string[], evaluators: readonly string[] = []): SiloGroup {
  const group = new SiloGroup(names, evaluators);
  beforeEach(async () => {
    group.folder = await tempFolder();
  });
  afterEach(async () => {
    await group.stop();
    await removeFolder(group.folder);
  });
  return group;
}
