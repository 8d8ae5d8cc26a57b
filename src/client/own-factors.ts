import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeTensorFile } from '../tensor/encode-file.js';
import { readTensorFile } from '../tensor/read-tensors.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { withStorageErrors } from '../storage-error.js';
import { writeDurably } from './write-durably.js';

const FILE = /^(\d{8})\.safetensors$/;

/**
 * Factors that a silo trains and does not share (fedsa's B), by run and round: `<folder>/<run>/<round>.safetensors`. The silo goes on
 * from its own, not from the published ones; one that has none begins with those. The last two rounds are kept, so that a
 * round that is trained again begins where it began before.
 */
export class OwnFactors {
  constructor(private readonly folder: string) {}

  /** What was kept last before a round; nothing where there is none, or it is damaged. */
  async load(runId: string, beforeRound = Infinity): Promise<NamedTensor[]> {
    for (const round of (await this.#rounds(runId)).reverse()) {
      if (round >= beforeRound) continue;
      try {
        return readTensorFile(this.#path(runId, round));
      } catch {
        continue; // an older one is better than none
      }
    }
    return [];
  }

  /** Keeps them durably. Throws storage_full or storage_failed. */
  async keep(runId: string, round: number, tensors: readonly NamedTensor[]): Promise<void> {
    const folder = join(this.folder, runId);
    await withStorageErrors(folder, async () => {
      await mkdir(folder, { recursive: true });
      await writeDurably(this.#path(runId, round), encodeTensorFile(tensors).bytes);
      const old = (await this.#rounds(runId)).filter((kept) => kept < round).slice(0, -1);
      for (const kept of old) await rm(this.#path(runId, kept), { force: true });
    });
  }

  /** In rising order. */
  async #rounds(runId: string): Promise<number[]> {
    const names = await readdir(join(this.folder, runId)).catch(() => []);
    return names
      .flatMap((name) => FILE.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((x, y) => x - y);
  }

  #path(runId: string, round: number): string {
    return join(this.folder, runId, `${String(round).padStart(8, '0')}.safetensors`);
  }
}
