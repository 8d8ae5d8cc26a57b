import { FedrotError } from '../../errors.js';
import { canonicalHeader, payloadBytes } from '../../tensor/canonical.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import { DurableFile } from '../spool/durable-file.js';
import { readChunks } from '../spool/read-chunks.js';
import type { TensorSpool, UploadKey } from '../spool/tensor-spool.js';
import { openUpload, type Upload, type UploadPlace } from './upload-file.js';

const READ_BYTES = 1024 * 1024;

/** Smaller updates are not worth the way to another thread. */
const LEAST_BYTES = 8 * 1024;

/** openUpload, wherever it is done. */
export type OpenUpload = (place: UploadPlace) => Promise<Upload>;

interface Active {
  readonly controller: AbortController;
  readonly done: Promise<unknown>;
}

/** Uploads that can be continued: one stream at a time for each, and what is durable of it. */
export class UploadDesk {
  readonly #spool: TensorSpool;
  readonly #openThere: OpenUpload;
  readonly #active = new Map<string, Active>();

  constructor(spool: TensorSpool, openThere: OpenUpload = openUpload) {
    this.#spool = spool;
    this.#openThere = openThere;
  }

  /** Runs `work` as the only stream of this upload: a stream that was there before is broken, and ends first. */
  async only<T>(key: UploadKey, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const path = this.#spool.partialPath(key);
    while (this.#active.has(path)) await this.interrupt(key);
    const controller = new AbortController();
    const done = work(controller.signal);
    const active: Active = { controller, done: done.catch(() => undefined) };
    this.#active.set(path, active);
    try {
      return await done;
    } finally {
      if (this.#active.get(path) === active) this.#active.delete(path);
    }
  }

  /** Ends the stream that is writing this upload, if there is one; resolves when what it wrote is durable. */
  async interrupt(key: UploadKey): Promise<void> {
    const path = this.#spool.partialPath(key);
    for (let active = this.#active.get(path); active !== undefined; active = this.#active.get(path)) {
      active.controller.abort(new FedrotError('cancelled', 'another stream has taken this upload over'));
      await active.done;
      if (this.#active.get(path) === active) this.#active.delete(path);
    }
  }

  /** Payload bytes that are durable: those of the whole file where it has come already. */
  async durableBytes(key: UploadKey): Promise<number> {
    const whole = await this.#spool.size(key.sha256);
    if (whole !== undefined) return whole - (await this.#headerBytes(this.#spool.pathOf(key.sha256), whole));
    const bytes = await this.#spool.partialBytes(key);
    if (bytes < 8) return 0;
    return Math.max(0, bytes - (await this.#headerBytes(this.#spool.partialPath(key), bytes)));
  }

  /**
   * Goes on at `offset` of the payload. Throws stream_truncated where less than that is durable, or what is there belongs to another
   * manifest (and is removed): asking GetUploadStatus helps.
   */
  async open(key: UploadKey, tensors: readonly TensorInfo[], offset: number): Promise<Upload> {
    const durable = offset === 0 ? 0 : await this.durableBytes(key);
    if (offset > durable)
      throw new FedrotError(
        'stream_truncated',
        `the upload cannot continue at byte ${offset}: ${durable} are durable; ask GetUploadStatus`,
      );
    const path = await this.#spool.partialPlace(key);
    if (offset > 0) await this.#restore(key, canonicalHeader(tensors).length + offset);
    const open = payloadBytes(tensors) < LEAST_BYTES ? openUpload : this.#openThere;
    return open({ path, tensors, offset });
  }

  /** A whole file that its round has not counted yet becomes a partial one once more. */
  async #restore(key: UploadKey, bytes: number): Promise<void> {
    if ((await this.#spool.size(key.sha256)) === undefined) return;
    const file = await DurableFile.create(this.#spool.partialPath(key));
    try {
      for await (const chunk of readChunks(this.#spool.pathOf(key.sha256), 0, bytes, READ_BYTES))
        await file.append(chunk);
    } finally {
      await file.close();
    }
  }

  async #headerBytes(path: string, fileBytes: number): Promise<number> {
    for await (const first of readChunks(path, 0, Math.min(8, fileBytes), 8))
      if (first.length === 8) return 8 + Number(first.readBigUInt64LE());
    return fileBytes;
  }
}
