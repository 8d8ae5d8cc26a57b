import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { adapterLayout } from '../align/layout.js';
import type { Clock } from '../clock.js';
import type { Logger } from '../log.js';
import { openBundle, type Bundle } from '../model/bundle.js';
import { mergeBase, type ModuleProduct } from '../model/merge-base.js';
import type { MergeRef } from '../rpc/gen/fedrot/v1/MergeRef.js';
import { sha256Hex } from '../sha256.js';
import { openTensorFile, type TensorFile } from '../tensor/safetensors-file.js';
import type { TensorSource } from '../tensor/tensor.js';
import { isForgotten } from './is-forgotten.js';

export interface MergedBasesOptions {
  /** Holds a folder for each run, and in it one base. */
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Throws storage_full where so many bytes are not to be had. */
  readonly requireDisk: (bytes: number) => Promise<void>;
}

/** What has to be merged, and how it is fetched. */
export interface MergeWish {
  readonly runId: string;
  /** s of s · B · A. */
  readonly scale: number;
  /** Oldest first. */
  readonly merges: readonly MergeRef[];
  /** The path of a merge file, checked against its SHA-256; it may be removed afterwards. */
  readonly fetch: (merge: MergeRef) => Promise<string>;
}

/**
 * Bases that hold what a run's versions have merged (flora, fedex): made from the newest one that is there, by as many merge files as
 * it lacks, so that a silo that was away ends with the very bits of the others. A silo that cannot get them all does not work.
 */
export class MergedBases {
  constructor(private readonly options: MergedBasesOptions) {}

  async base(bundle: Bundle, wish: MergeWish): Promise<Bundle> {
    const { runId, merges, scale } = wish;
    if (merges.length === 0) return bundle;
    const { clock, logger, requireDisk } = this.options;
    const folder = join(this.options.folder, runId);
    const nameAfter = (count: number): string =>
      sha256Hex(
        JSON.stringify([
          bundle.sha256,
          scale,
          merges.slice(0, count).map(({ sha256 }) => sha256.toString('hex')),
        ]),
      ).slice(0, 32);
    const wanted = join(folder, nameAfter(merges.length));
    const known = await opened(wanted);
    if (known) return known;
    let done = merges.length - 1;
    while (done > 0 && !existsSync(join(folder, nameAfter(done)))) done--;
    const from = (done > 0 ? await opened(join(folder, nameAfter(done))) : undefined) ?? bundle;
    const missing = merges.slice(from === bundle ? 0 : done);
    const size = bundle.manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
    await requireDisk(size + missing.reduce((sum, { bytes }) => sum + bytes, 0));
    const files: TensorFile[] = [];
    try {
      for (const merge of missing) files.push(openTensorFile(await wish.fetch(merge)));
      const merged = await mergeBase(from, files.map(productsOf), scale, wanted);
      logger.info(
        { run: runId, versions: missing.map(({ version }) => version) },
        'merged what the run has published into the base',
      );
      await this.#prune(folder, nameAfter(merges.length), clock.now());
      return merged;
    } finally {
      for (const file of files) file.close();
    }
  }

  /** One base a run, and none of runs of long ago. */
  async #prune(folder: string, kept: string, nowMs: number): Promise<void> {
    for (const name of await readdir(folder))
      if (name !== kept) await rm(join(folder, name), { recursive: true, force: true });
    for (const run of await readdir(this.options.folder)) {
      const path = join(this.options.folder, run);
      if (path !== folder && (await isForgotten(path, nowMs)))
        await rm(path, { recursive: true, force: true });
    }
  }
}

/** What a merge file (src/align/merge-source.ts) adds to each module's weight. */
export function productsOf(file: TensorSource): ModuleProduct[] {
  return adapterLayout(file.tensors).modules.map(({ module, r, in: inputs, out, a, b }) => ({
    module,
    rank: r,
    in: inputs,
    out,
    a: () => file.read(a),
    b: () => file.read(b),
  }));
}

/** The base, if it is there and whole. */
async function opened(folder: string): Promise<Bundle | undefined> {
  if (!existsSync(folder)) return undefined;
  return openBundle(folder, { verify: true }).catch(() => undefined);
}
