import { FedrotError } from '../../errors.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { PayloadChecker } from '../../tensor/payload-checker.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import type { DurableFile } from '../spool/durable-file.js';
import { readChunks } from '../spool/read-chunks.js';
import type { TensorSpool, UploadKey } from '../spool/tensor-spool.js';

const READ_BYTES = 1024 * 1024;

/** An update on its way in: where it is written, and what checks it. */
export interface Upload {
  readonly file: DurableFile;
  readonly checker: PayloadChecker;
}

interface Active {
  readonly controller: AbortController;
  readonly done: Promise<unknown>;
}

/** Uploads that can be continued: one stream at a time for each, and what is durable of it. */
export class UploadDesk {
  readonly #spool: TensorSpool;
  readonly #active = new Map<string, Active>();

  constructor(spool: TensorSpool) {
    this.#spool = spool;
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
   * Opens the file at `offset` of the payload, with a checker that has seen all before it. Throws stream_truncated where
   * less than that is durable, or what is there belongs to another manifest (and is removed): asking GetUploadStatus helps.
   */
  async open(key: UploadKey, tensors: readonly TensorInfo[], offset: number): Promise<Upload> {
    const header = canonicalHeader(tensors);
    const checker = new PayloadChecker(tensors);
    if (offset === 0) {
      const file = await this.#spool.openPartial(key, 0);
      await file.append(header);
      return { file, checker };
    }
    const durable = await this.durableBytes(key);
    if (offset > durable)
      throw new FedrotError(
        'stream_truncated',
        `the upload cannot continue at byte ${offset}: ${durable} are durable; ask GetUploadStatus`,
      );
    const file = await this.#reopen(key, header.length + offset);
    try {
      await replayInto(checker, file, header, offset);
      return { file, checker };
    } catch (thrown) {
      await file.discard();
      throw thrown;
    }
  }

  /** The partial file; or the whole one once more as a partial one, where its round has not counted it yet. */
  async #reopen(key: UploadKey, bytes: number): Promise<DurableFile> {
    const whole = await this.#spool.size(key.sha256);
    if (whole === undefined) return this.#spool.openPartial(key, bytes);
    const file = await this.#spool.openPartial(key, 0);
    for await (const chunk of readChunks(this.#spool.pathOf(key.sha256), 0, bytes, READ_BYTES))
      await file.append(chunk);
    return file;
  }

  async #headerBytes(path: string, fileBytes: number): Promise<number> {
    for await (const first of readChunks(path, 0, Math.min(8, fileBytes), 8))
      if (first.length === 8) return 8 + Number(first.readBigUInt64LE());
    return fileBytes;
  }
}

async function replayInto(
  checker: PayloadChecker,
  file: DurableFile,
  header: Buffer,
  offset: number,
): Promise<void> {
  if (!(await file.read(0, header.length)).equals(header))
    throw new FedrotError(
      'stream_truncated',
      'the upload cannot continue: its manifest is not the one that it began with; it starts anew at offset 0',
    );
  while (checker.received < offset) {
    const at = checker.received;
    const bytes = await file.read(header.length + at, Math.min(READ_BYTES, offset - at));
    if (bytes.length === 0) throw new FedrotError('storage_corrupt', 'a part of an upload is gone');
    checker.push(at, bytes);
  }
}
