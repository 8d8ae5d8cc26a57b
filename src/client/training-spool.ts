import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.js';
import type { Logger } from '../log.js';
import { software } from '../model/software.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { sha256Hex } from '../sha256.js';
import { readCheckpoint, readRecord, writeCheckpoint, type CheckpointOwner } from './checkpoint-file.js';
import { dataDigest } from './data/data-digest.js';
import type { DataPart } from './data/data-set.js';
import { isForgotten } from './is-forgotten.js';
import { spoolName } from './spool.js';
import type { CheckpointStore, TrainingCheckpoint } from './training/training-checkpoint.js';

/** Two generations of a checkpoint: while one is written, the other is whole. */
const GENERATIONS = ['a', 'b'] as const;

export interface TrainingSpoolOptions {
  readonly folder: string;
  readonly clock: Clock;
  /** Least time between two saves, ms; 0: after every step. */
  readonly intervalMs: number;
  /** Threads that train: with another number, sums are rounded in another way. */
  readonly threads: number;
}

/**
 * Training under way, on the silo's disk: a daemon that is killed goes on at the step that was stored last, and its update has the bytes
 * that it would have had. What was stored counts only for the very same task, examples, threads and software.
 */
export class TrainingSpool {
  constructor(private readonly options: TrainingSpoolOptions) {}

  /** The store of one task. `warn` hears of what cannot be stored. */
  of(task: TrainTask, data: DataPart, logger: Logger): CheckpointStore {
    const { clock, intervalMs, threads } = this.options;
    const name = spoolName(task);
    const conditions = sha256Hex(JSON.stringify([dataDigest(data), threads, software()]));
    let savedAt = clock.now();
    let generation = 0;
    return {
      due: () => clock.now() - savedAt >= intervalMs,
      load: async () => {
        const found = await this.#load(name, conditions);
        if (found !== undefined)
          logger.info({ step: found.step }, 'training goes on where it was interrupted');
        return found;
      },
      save: async (checkpoint) => {
        try {
          const { runId, round } = task;
          const file = `${name}.${GENERATIONS[generation++ % 2] ?? 'a'}`;
          await this.#save(file, { runId, round, conditions }, checkpoint);
        } catch (error) {
          logger.warn({ err: error }, 'training under way could not be stored');
        }
        savedAt = clock.now();
      },
    };
  }

  /** Removes what was kept of a task: its update is there. */
  async clear(task: TrainTask): Promise<void> {
    await this.#remove((name) => name.startsWith(spoolName(task)));
  }

  /** Removes what a task makes obsolete: earlier rounds of its run, and what is very old. */
  async prune(task: TrainTask): Promise<void> {
    const own = spoolName(task);
    const { folder, clock } = this.options;
    const keep = new Set<string>([own]);
    for (const file of await readdir(folder).catch(() => [])) {
      const path = join(folder, file);
      const record = file.endsWith('.json') ? await readRecord(path.slice(0, -'.json'.length)) : undefined;
      if (record === undefined || (record.runId === task.runId && record.round < task.round)) continue;
      if (!(await isForgotten(path, clock.now()))) keep.add(baseOf(file));
    }
    await this.#remove((name) => !keep.has(name));
  }

  async #load(name: string, conditions: string): Promise<TrainingCheckpoint | undefined> {
    let best: TrainingCheckpoint | undefined;
    for (const generation of GENERATIONS) {
      const path = join(this.options.folder, `${name}.${generation}`);
      const record = await readRecord(path);
      if (record?.conditions !== conditions || record.step <= (best?.step ?? 0)) continue;
      best = (await readCheckpoint(path, record)) ?? best;
    }
    return best;
  }

  async #save(name: string, owner: CheckpointOwner, checkpoint: TrainingCheckpoint): Promise<void> {
    const { folder } = this.options;
    await mkdir(folder, { recursive: true });
    await writeCheckpoint(join(folder, name), owner, checkpoint);
  }

  async #remove(obsolete: (name: string) => boolean): Promise<void> {
    const { folder } = this.options;
    for (const file of await readdir(folder).catch(() => []))
      if (obsolete(baseOf(file))) await rm(join(folder, file), { force: true });
  }
}

/** Name of the task, without generation and ending. */
const baseOf = (file: string): string => file.split('.')[0] ?? '';
