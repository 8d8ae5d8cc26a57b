import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Clock } from '../clock.js';
import type { TrainTask } from '../rpc/gen/fedrot/v1/TrainTask.js';
import { digestFile } from '../model/file-digest.js';
import { SHA256 } from '../name.js';
import { sha256Hex } from '../sha256.js';
import { encodeTensorFile } from '../tensor/encode-file.js';
import type { WireDType } from '../tensor/dtype.js';
import { withStorageErrors } from '../storage-error.js';
import { isForgotten } from './is-forgotten.js';
import { writeDurably } from './write-durably.js';
import type { TrainResult } from './training/local-trainer.js';

/** A finished update on disk. */
export interface SpooledUpdate {
  /** The canonical safetensors file. */
  readonly path: string;
  /** Of the file, hex. */
  readonly sha256: string;
  readonly examples: number;
  readonly metrics: TrainResult['metrics'];
}

const recordSchema = z.strictObject({
  runId: z.string(),
  round: z.int().min(1),
  sha256: z.string().regex(SHA256),
  examples: z.int().min(1),
  metrics: z.strictObject({ loss: z.number(), steps: z.number(), seconds: z.number(), tokens: z.number() }),
});

type SpoolRecord = z.output<typeof recordSchema>;

/**
 * Finished updates of a silo: a daemon that is killed after training submits the update, it does not train again. An update
 * belongs to everything that determined it (run, round, starting adapter, settings), so a round that is tried again takes it too.
 * It stays until the run moves on: an acknowledgement may have been lost.
 */
export class Spool {
  constructor(
    private readonly folder: string,
    private readonly clock: Clock,
  ) {}

  /** The update for a task, if it is there and whole. */
  async find(task: TrainTask): Promise<SpooledUpdate | undefined> {
    const name = spoolName(task);
    const record = await this.#record(name);
    if (record === undefined) return undefined;
    const path = join(this.folder, `${name}.safetensors`);
    const digest = await digestFile(path).catch(() => undefined);
    if (digest?.sha256 !== record.sha256) {
      await this.#remove(name);
      return undefined;
    }
    const { sha256, examples, metrics } = record;
    return { path, sha256, examples, metrics };
  }

  /** Keeps an update durably. Throws tensor_not_finite where a value does not fit the dtype, storage_full or storage_failed. */
  async put(task: TrainTask, result: TrainResult, dtype: WireDType): Promise<SpooledUpdate> {
    const name = spoolName(task);
    const { bytes, sha256 } = encodeTensorFile(result.tensors, dtype);
    const { examples, metrics } = result;
    const record: SpoolRecord = { runId: task.runId, round: task.round, sha256, examples, metrics };
    const path = join(this.folder, `${name}.safetensors`);
    await withStorageErrors(this.folder, async () => {
      await mkdir(this.folder, { recursive: true });
      // The record comes last: without it there is no update.
      await writeDurably(path, bytes);
      await writeDurably(join(this.folder, `${name}.json`), Buffer.from(JSON.stringify(record)));
    });
    return { path, sha256, examples, metrics };
  }

  /** Removes what this task makes obsolete: earlier rounds of its run, and what is very old. */
  async prune(task: TrainTask): Promise<void> {
    const files = await readdir(this.folder).catch(() => []);
    const names = new Set(files.map((file) => file.replace(/\.(json|safetensors)(\.partial)?$/, '')));
    names.delete(spoolName(task));
    for (const name of names) {
      const record = await this.#record(name);
      const obsolete =
        record === undefined ||
        (record.runId === task.runId && record.round < task.round) ||
        (await isForgotten(join(this.folder, `${name}.json`), this.clock.now()));
      if (obsolete) await this.#remove(name);
    }
  }

  async #record(name: string): Promise<SpoolRecord | undefined> {
    try {
      const text = await readFile(join(this.folder, `${name}.json`), 'utf8');
      return recordSchema.safeParse(JSON.parse(text)).data;
    } catch {
      return undefined; // not there, or cut by a crash of the machine
    }
  }

  async #remove(name: string): Promise<void> {
    for (const ending of ['json', 'safetensors', 'json.partial', 'safetensors.partial'])
      await rm(join(this.folder, `${name}.${ending}`), { force: true });
  }
}

/** Everything that determines an update, as a file name. */
export function spoolName({
  runId,
  round,
  adapter,
  bundleSha256,
  specJson,
  instructionsJson,
}: TrainTask): string {
  const parts = [runId, round, adapter?.sha256.toString('hex'), bundleSha256, specJson, instructionsJson];
  return sha256Hex(JSON.stringify(parts)).slice(0, 32);
}
