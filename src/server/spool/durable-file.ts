import { open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { storageError } from '../store/storage-error.js';

/**
 * A file that is written under a temporary name in the folder where it will stay, and appears under its own name only
 * when it is whole and durable: write, fsync, rename, fsync of the folder. Throws storage_full and storage_failed.
 */
export class DurableFile {
  readonly path: string;
  readonly #handle: FileHandle;
  #bytes: number;
  #open = true;

  private constructor(path: string, handle: FileHandle, bytes: number) {
    this.path = path;
    this.#handle = handle;
    this.#bytes = bytes;
  }

  /** An empty file; whatever lay at `path` goes. */
  static async create(path: string): Promise<DurableFile> {
    return attempt('creating a file', async () => new DurableFile(path, await open(path, 'w+'), 0));
  }

  /** What is left of an earlier file, cut to `bytes` where it is longer. */
  static async continue(path: string, bytes: number): Promise<DurableFile> {
    return attempt('continuing a file', async () => {
      const handle = await open(path, 'r+');
      const { size } = await handle.stat();
      if (size > bytes) await handle.truncate(bytes);
      return new DurableFile(path, handle, Math.min(size, bytes));
    });
  }

  /** Written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async append(data: Uint8Array): Promise<void> {
    await attempt('writing a file', async () => {
      for (let done = 0; done < data.length;) {
        const { bytesWritten } = await this.#handle.write(data, done, data.length - done, this.#bytes);
        done += bytesWritten;
        this.#bytes += bytesWritten;
      }
    });
  }

  /** Bytes from `position`, fewer at the end of the file. */
  async read(position: number, length: number): Promise<Buffer> {
    return attempt('reading a file', async () => {
      const buffer = Buffer.allocUnsafe(length);
      const { bytesRead } = await this.#handle.read(buffer, 0, length, position);
      return buffer.subarray(0, bytesRead);
    });
  }

  /** Gives the file its own name, durably. `path` lies in the same folder or one on the same disk. */
  async publish(path: string): Promise<void> {
    await attempt('storing a file', async () => {
      await this.#handle.sync();
      await this.close();
      await publishFile(this.path, path);
    });
  }

  /** Makes what was written durable and closes; the file stays under its temporary name. */
  async suspend(): Promise<void> {
    if (!this.#open) return;
    try {
      await attempt('keeping a part of a file', () => this.#handle.datasync());
    } finally {
      await this.close();
    }
  }

  /** Closes and removes. */
  async discard(): Promise<void> {
    await this.close();
    await attempt('removing a file', () => rm(this.path, { force: true }));
  }

  async close(): Promise<void> {
    if (!this.#open) return;
    this.#open = false;
    await this.#handle.close();
  }
}

/** Renames a file whose content is durable, and makes the name durable too. */
export async function publishFile(from: string, to: string): Promise<void> {
  await attempt('storing a file', async () => {
    await rename(from, to);
    await syncFolder(dirname(to));
  });
}

/** Windows cannot open folders; its rename is journalled. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Size of a file, undefined where there is none. */
export async function fileSize(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw storageError(thrown, 'looking at a file');
  }
}

async function attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    throw storageError(thrown, doing);
  }
}
