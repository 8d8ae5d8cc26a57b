import { FedrotError } from '../../errors.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { PayloadChecker } from '../../tensor/payload-checker.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import { DurableFile } from '../spool/durable-file.js';

const READ_BYTES = 1024 * 1024;

/** Where an update is written while it comes in, and how much of it is there. */
export interface UploadPlace {
  readonly path: string;
  /** In canonical order. */
  readonly tensors: readonly TensorInfo[];
  /** Of the payload: where its next chunk begins. */
  readonly offset: number;
}

/** What has come, once it is all there. */
export interface Received {
  /** Of the canonical file, hex. */
  readonly sha256: string;
  /** Euclidean norm of all elements. */
  readonly norm: number;
}

/** An update on its way in, checked and written as it comes. One call after the other; after an error only `suspend` or `discard`. */
export interface Upload {
  /** The next chunk. Throws as PayloadChecker.push and DurableFile.append do, at the latest when `finish` is called. Whoever gives it away does not use it any more. */
  take(offset: number, data: Uint8Array): Promise<void>;
  /** Everything has come. Throws stream_truncated, or checksum_mismatch where `digest` (32 bytes) is another. */
  finish(digest: Uint8Array): Promise<Received>;
  /** As DurableFile.publish. */
  publish(path: string): Promise<void>;
  /** Makes durable what has come, to be continued. The payload bytes that are kept. Throws also, after that, storage_full or storage_failed of a chunk that no call has said. */
  suspend(): Promise<number>;
  discard(): Promise<void>;
}

/**
 * Begins, or continues with what has been written. Throws stream_truncated where that belongs to another manifest (it is removed),
 * storage_corrupt where it is shorter than `offset`, storage_full and storage_failed.
 */
export async function openUpload({ path, tensors, offset }: UploadPlace): Promise<Upload> {
  const header = canonicalHeader(tensors);
  const checker = new PayloadChecker(tensors);
  const file =
    offset === 0 ? await DurableFile.create(path) : await DurableFile.continue(path, header.length + offset);
  try {
    if (offset === 0) await file.append(header);
    else await replayInto(checker, file, header, offset);
    return new UploadFile(file, checker, header.length);
  } catch (thrown) {
    await (isOfDisk(thrown) ? file.close() : file.discard());
    throw thrown;
  }
}

/** What has been written is no worse for that. */
export const isOfDisk = (thrown: unknown): boolean =>
  thrown instanceof FedrotError && (thrown.code === 'storage_full' || thrown.code === 'storage_failed');

class UploadFile implements Upload {
  constructor(
    private readonly file: DurableFile,
    private readonly checker: PayloadChecker,
    private readonly headerBytes: number,
  ) {}

  async take(offset: number, data: Uint8Array): Promise<void> {
    this.checker.push(offset, data);
    await this.file.append(data);
  }

  async finish(digest: Uint8Array): Promise<Received> {
    const sha256 = this.checker.finish(digest);
    return { sha256, norm: this.checker.norm };
  }

  publish(path: string): Promise<void> {
    return this.file.publish(path);
  }

  async suspend(): Promise<number> {
    await this.file.suspend();
    return Math.max(0, this.file.bytes - this.headerBytes);
  }

  discard(): Promise<void> {
    return this.file.discard();
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
