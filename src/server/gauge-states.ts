import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Coordinator } from './coordinator/coordinator.js';
import type { RunActor } from './coordinator/run-actor.js';
import type { CoordinatorMetrics } from './metrics.js';
import type { TaskState } from './round/state.js';
import { newestTasks } from './round/tasks.js';

const TASK_STATES: readonly TaskState['state'][] = ['assigned', 'done', 'failed', 'late'];

/** The data folder is walked no more often than this: it may hold many files. */
const WALK_EVERY_MS = 30_000;

/** Sets the gauges that are only worth knowing when someone asks: silos, runs, the disk. */
export class StateGauges {
  #walkedMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly metrics: CoordinatorMetrics,
    private readonly coordinator: Coordinator,
    private readonly clock: Clock,
  ) {}

  async set(): Promise<void> {
    this.#silos();
    this.#runs();
    await this.#disk();
  }

  #silos(): void {
    const { silos } = this.metrics;
    silos.reset();
    for (const role of ['trainer', 'evaluator'])
      for (const state of ['connected', 'gone']) silos.set({ role, state }, 0);
    for (const { record, connected } of this.coordinator.silos.all())
      silos.inc({ role: record.role, state: connected ? 'connected' : 'gone' });
  }

  #runs(): void {
    const { runs, plannedRounds, runPhase, minSilos, tasks, lastProgress } = this.metrics;
    const pending = this.coordinator.runs().reduce((sum, { undiagnosed }) => sum + undiagnosed.size, 0);
    this.metrics.diagnosesPending.set(pending);
    for (const gauge of [runs, plannedRounds, runPhase, minSilos, tasks]) gauge.reset();
    for (const run of this.coordinator.runs()) {
      runs.inc({ state: run.state.outcome ?? run.state.phase });
      if (run.state.phase === 'done') lastProgress.remove({ run: run.runId });
      else this.#openRun(run);
    }
  }

  #openRun({ runId: run, spec, state }: RunActor): void {
    const { plannedRounds, runPhase, minSilos, tasks } = this.metrics;
    plannedRounds.set({ run }, spec.rounds.count);
    runPhase.set({ run, phase: state.phase }, 1);
    minSilos.set({ run }, spec.rounds.minSilos);
    for (const of of TASK_STATES)
      tasks.set({ run, state: of }, newestTasks(state).filter((task) => task.state === of).length);
  }

  async #disk(): Promise<void> {
    const { dataFolder } = this.coordinator.config;
    const disk = await statfs(dataFolder);
    this.metrics.diskFree.set(disk.bavail * disk.bsize);
    this.metrics.diskSize.set(disk.blocks * disk.bsize);
    const now = this.clock.now();
    if (now - this.#walkedMs < WALK_EVERY_MS) return;
    this.#walkedMs = now;
    const sums = new Map([
      ['tensors', 0],
      ['bundles', 0],
      ['other', 0],
    ]);
    for (const name of await readdir(dataFolder)) {
      const kind = sums.has(name) ? name : 'other';
      sums.set(kind, (sums.get(kind) ?? 0) + (await bytesOf(join(dataFolder, name))));
    }
    for (const [kind, bytes] of sums) this.metrics.storage.set({ kind }, bytes);
  }
}

/** Bytes of a file, or of all files below a folder; what goes away meanwhile counts as nothing. */
async function bytesOf(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return 0;
  if (!found.isDirectory()) return found.size;
  let sum = 0;
  for (const name of await readdir(path).catch(() => [])) sum += await bytesOf(join(path, name));
  return sum;
}
