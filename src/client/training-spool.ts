import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../clock.js';
import type { Logger } from '../log.js';
import { sha256Of } from '../model/file-digest.js';
import { software } from '../model/software.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { optimizerSchema } from '../run-spec.js';
import { encodeTensorFile } from '../tensor/encode-file.js';
import { openTensorFile } from '../tensor/safetensors-file.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { DataPart } from './data/data-set.js';
import { spoolName } from './spool.js';
import type { CheckpointStore, TrainingCheckpoint } from './training/training-checkpoint.js';
import { writeDurably } from './write-durably.js';

const sums = z.strictObject({
  loss: z.number(),
  labels: z.number(),
  tokens: z.number(),
  seconds: z.number(),
});

const recordSchema = z.strictObject({
  runId: z.string(),
  round: z.int().min(1),
  /** What the rest of the training depends on beside the task: data, threads, software. */
  conditions: z.string(),
  /** Of the tensors beside it. */
  sha256: z.string(),
  step: z.int().min(1),
  sums,
  optimizer: z
    .strictObject({ spec: optimizerSchema, steps: z.array(z.int().min(0)), slots: z.array(z.int().min(0)) })
    .optional(),
});

/** Two generations of a checkpoint: while one is written, the other is whole. */
const GENERATIONS = ['a', 'b'] as const;

/** What nobody has asked for in so long is of a run that went on without us. */
const MAX_AGE_MS = 14 * 86_400_000;

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
    const conditions = sha256Of(JSON.stringify([dataDigest(data), threads, software()]));
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
          await this.#save(`${name}.${GENERATIONS[generation++ % 2] ?? 'a'}`, task, conditions, checkpoint);
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
      const record = file.endsWith('.json') ? await readRecord(path) : undefined;
      if (record === undefined || (record.runId === task.runId && record.round < task.round)) continue;
      const age = clock.now() - (await stat(path)).mtimeMs;
      if (age <= MAX_AGE_MS) keep.add(baseOf(file));
    }
    await this.#remove((name) => !keep.has(name));
  }

  async #load(name: string, conditions: string): Promise<TrainingCheckpoint | undefined> {
    let best: TrainingCheckpoint | undefined;
    for (const generation of GENERATIONS) {
      const path = join(this.options.folder, `${name}.${generation}`);
      const record = await readRecord(`${path}.json`);
      if (record?.conditions !== conditions || record.step <= (best?.step ?? 0)) continue;
      best = (await readCheckpoint(path, record)) ?? best;
    }
    return best;
  }

  async #save(
    name: string,
    { runId, round }: TrainTask,
    conditions: string,
    { step, sums: totals, state }: TrainingCheckpoint,
  ): Promise<void> {
    const { folder } = this.options;
    await mkdir(folder, { recursive: true });
    const path = join(folder, name);
    const { parameters, optimizer } = state;
    const { bytes, sha256 } = encodeTensorFile([
      ...parameters.map((tensor) => ({ ...tensor, name: `parameter/${tensor.name}` })),
      ...(optimizer?.states ?? []).flatMap(({ slots }, index) =>
        slots.map((data, slot) => ({ name: `optimizer/${index}/${slot}`, shape: [data.length], data })),
      ),
    ]);
    const record: z.output<typeof recordSchema> = {
      ...{ runId, round, conditions, sha256, step, sums: totals },
      ...(optimizer && {
        optimizer: {
          spec: optimizer.spec,
          steps: optimizer.states.map((each) => each.step),
          slots: optimizer.states.map(({ slots }) => slots.length),
        },
      }),
    };
    await writeDurably(`${path}.safetensors`, bytes);
    await writeDurably(`${path}.json`, Buffer.from(JSON.stringify(record)));
  }

  async #remove(obsolete: (name: string) => boolean): Promise<void> {
    const { folder } = this.options;
    for (const file of await readdir(folder).catch(() => []))
      if (obsolete(baseOf(file))) await rm(join(folder, file), { force: true });
  }
}

/** Name of the task, without generation and ending. */
const baseOf = (file: string): string => file.split('.')[0] ?? '';

async function readRecord(path: string): Promise<z.output<typeof recordSchema> | undefined> {
  try {
    return recordSchema.safeParse(JSON.parse(await readFile(path, 'utf8'))).data;
  } catch {
    return undefined; // not there, or cut by a crash of the machine
  }
}

async function readCheckpoint(
  path: string,
  { sha256, step, sums: totals, optimizer }: z.output<typeof recordSchema>,
): Promise<TrainingCheckpoint | undefined> {
  const bytes = await readFile(`${path}.safetensors`).catch(() => undefined);
  if (bytes === undefined || sha256Of(bytes) !== sha256) return undefined;
  const file = openTensorFile(`${path}.safetensors`);
  try {
    const parameters = file.tensors.flatMap(({ name, shape }): NamedTensor[] =>
      name.startsWith('parameter/')
        ? [{ name: name.slice('parameter/'.length), shape, data: file.read(name) }]
        : [],
    );
    const states = optimizer?.steps.map((count, index) => ({
      step: count,
      slots: Array.from({ length: optimizer.slots[index] ?? 0 }, (_, slot) =>
        file.read(`optimizer/${index}/${slot}`),
      ),
    }));
    const restored = optimizer && states && { optimizer: { spec: optimizer.spec, states } };
    return { step, sums: totals, state: { parameters, ...restored } };
  } finally {
    file.close();
  }
}

const digests = new WeakMap<DataPart['examples'], string>();

/** Of all that is learnt from, whatever file it came from. */
function dataDigest({ examples }: DataPart): string {
  const known = digests.get(examples);
  if (known !== undefined) return known;
  const hash = createHash('sha256');
  for (const { line: _line, ...example } of examples) hash.update(`${JSON.stringify(example)}\n`);
  const digest = hash.digest('hex');
  digests.set(examples, digest);
  return digest;
}
