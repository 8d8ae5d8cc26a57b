import { randomUUID } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { SHA256 } from '../../name.js';
import { storageError } from '../store/storage-error.js';
import { DurableFile, fileSize, publishFile, syncFolder } from './durable-file.js';
import { WrittenFiles } from './written-files.js';

/** Names an upload, so that a broken one can be continued. All but `sha256` are names that hold no path separator. */
export interface UploadKey {
  readonly runId: string;
  readonly round: number;
  readonly silo: string;
  /** As the silo announced it, hex. */
  readonly sha256: string;
}

const PARTIAL_FOLDER = 'partial';
const TEMP_PREFIX = 'temp-';

/**
 * Canonical safetensors files named by their SHA-256, and the beginnings of those that are still being uploaded:
 *   <folder>/<sha256>.safetensors   whole and durable
 *   <folder>/temp-…                 being made; removed on start
 *   <folder>/partial/<run>/<round>/<silo>.<sha256>   header and the part of the payload that has come
 */
export class TensorSpool {
  readonly #written = new WrittenFiles();

  private constructor(readonly folder: string) {}

  static async open(folder: string): Promise<TensorSpool> {
    try {
      await mkdir(join(folder, PARTIAL_FOLDER), { recursive: true });
      for (const name of await readdir(folder))
        if (name.startsWith(TEMP_PREFIX)) await rm(join(folder, name), { force: true });
      await syncFolder(folder);
    } catch (thrown) {
      throw storageError(thrown, `opening the spool ${folder}`);
    }
    return new TensorSpool(folder);
  }

  /** Where the file of this hash lies, or would lie. */
  pathOf(sha256: string): string {
    if (!SHA256.test(sha256)) throw new FedrotError('internal', `${sha256} is not a SHA-256 in hex`);
    return join(this.folder, `${sha256}.safetensors`);
  }

  /** A file that was hashed while it was written has taken its name. */
  async published(sha256: string): Promise<void> {
    await this.#written.note(this.pathOf(sha256));
  }

  /** Whether the file of this hash still is what this process published a short while ago: if not, it has to be read to know what it is. */
  untouched(sha256: string): Promise<boolean> {
    return this.#written.untouched(this.pathOf(sha256));
  }

  /** Bytes of the whole file, undefined where it is not here. */
  size(sha256: string): Promise<number | undefined> {
    return fileSize(this.pathOf(sha256));
  }

  /** Removes a whole file; resolves with whether there was one. */
  async remove(sha256: string): Promise<boolean> {
    const path = this.pathOf(sha256);
    if ((await fileSize(path)) === undefined) return false;
    await rm(path, { force: true }).catch((thrown: unknown) => {
      throw storageError(thrown, 'deleting an update');
    });
    return true;
  }

  /** A name for a file that is being made. */
  tempPath(): string {
    return join(this.folder, `${TEMP_PREFIX}${randomUUID()}`);
  }

  createTemp(): Promise<DurableFile> {
    return DurableFile.create(this.tempPath());
  }

  /** Takes over a durable file made under a tempPath. */
  adopt(tempPath: string, sha256: string): Promise<void> {
    return publishFile(tempPath, this.pathOf(sha256));
  }

  partialPath(key: UploadKey): string {
    return join(this.#partialFolder(key.runId, key.round), `${key.silo}.${key.sha256}`);
  }

  /** Bytes of the partial file, header included; 0 where there is none. */
  async partialBytes(key: UploadKey): Promise<number> {
    return (await fileSize(this.partialPath(key))) ?? 0;
  }

  /** As partialPath, in a folder that is there. */
  async partialPlace(key: UploadKey): Promise<string> {
    await mkdir(this.#partialFolder(key.runId, key.round), { recursive: true }).catch((thrown: unknown) => {
      throw storageError(thrown, 'creating a folder for uploads');
    });
    return this.partialPath(key);
  }

  /** Removes what a silo has begun to upload for a round under other names: one at a time, or it could fill the disk. */
  async dropOtherPartials({ runId, round, silo, sha256 }: UploadKey): Promise<void> {
    const folder = this.#partialFolder(runId, round);
    const names = await readdir(folder).catch(() => []);
    for (const name of names) {
      const isHis = name.length === silo.length + 65 && name.startsWith(`${silo}.`);
      if (isHis && name !== `${silo}.${sha256}`) await rm(join(folder, name), { force: true });
    }
  }

  /** Removes what silos have begun to upload for a round. */
  async dropPartials(runId: string, round: number): Promise<void> {
    await rm(this.#partialFolder(runId, round), { recursive: true, force: true });
  }

  /** On start: keeps the partial uploads of open rounds and the files that records name; the rest goes. Returns how many files went. */
  async collectGarbage(
    referenced: ReadonlySet<string>,
    openRounds: ReadonlyMap<string, ReadonlySet<number>>,
  ): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.folder)) {
      const sha256 = name.replace(/\.safetensors$/, '');
      if (!SHA256.test(sha256) || sha256 === name || referenced.has(sha256)) continue;
      await rm(join(this.folder, name), { force: true });
      removed++;
    }
    for (const runId of await readdir(join(this.folder, PARTIAL_FOLDER)))
      for (const round of await readdir(join(this.folder, PARTIAL_FOLDER, runId)))
        if (openRounds.get(runId)?.has(Number(round)) !== true) {
          await rm(join(this.folder, PARTIAL_FOLDER, runId, round), { recursive: true, force: true });
          removed++;
        }
    return removed;
  }

  #partialFolder(runId: string, round: number): string {
    return join(this.folder, PARTIAL_FOLDER, runId, String(round));
  }
}
