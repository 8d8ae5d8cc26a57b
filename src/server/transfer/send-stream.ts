import { FedrotError } from '../../errors.js';
import type { Serialized } from '../../rpc/serialized.js';
import type { FileStreamInput } from '../../rpc/gen/fedrot/v1/FileStream.js';
import type { TensorStreamInput } from '../../rpc/gen/fedrot/v1/TensorStream.js';
import { toManifest } from '../../tensor/manifest.js';
import { openTensorFile } from '../../tensor/safetensors-file.js';
import type { TensorInfo } from '../../tensor/tensor.js';
import type { BundleFile } from '../spool/bundle-files.js';
import { readChunks } from '../spool/read-chunks.js';
import type { SharedChunks } from './shared-chunks.js';

export interface SendOptions {
  /** Where to begin, in payload (tensors) or file bytes. */
  readonly offset: number;
  /** At most. */
  readonly chunkBytes: number;
  readonly onSent: (bytes: number) => void;
  /** Where many fetch the same: chunks come from there, and are smaller while many do. */
  readonly shared?: SharedChunks | undefined;
}

/** A stored adapter: manifest, chunks from the offset, digest. Read as fast as the caller takes it. */
export async function* sendTensors(
  path: string,
  sha256: string,
  options: SendOptions,
): AsyncGenerator<TensorStreamInput | Serialized, void, undefined> {
  const { tensors, payloadOffset, payloadBytes } = layoutOf(path);
  checkOffset(options.offset, payloadBytes);
  yield { manifest: toManifest(tensors) };
  yield* sendChunks(path, payloadOffset, payloadBytes, options);
  yield { digest: { sha256: Buffer.from(sha256, 'hex') } };
}

function layoutOf(path: string): {
  tensors: readonly TensorInfo[];
  payloadOffset: number;
  payloadBytes: number;
} {
  try {
    const file = openTensorFile(path);
    file.close();
    return file;
  } catch (cause) {
    throw new FedrotError('storage_corrupt', 'the stored adapter is missing or damaged', {
      cause,
      details: { path },
    });
  }
}

/** A file of a bundle: info, chunks from the offset, digest of the whole file. */
export async function* sendFile(
  path: string,
  file: BundleFile,
  options: SendOptions,
): AsyncGenerator<FileStreamInput | Serialized, void, undefined> {
  checkOffset(options.offset, file.bytes);
  yield { info: { name: file.name, bytes: file.bytes } };
  yield* sendChunks(path, 0, file.bytes, options);
  yield { digest: { sha256: Buffer.from(file.sha256, 'hex') } };
}

function checkOffset(offset: number, bytes: number): void {
  if (offset > bytes)
    throw new FedrotError('option_invalid', `offset ${offset} lies beyond the ${bytes} bytes that there are`);
}

interface Chunk {
  readonly chunk: { readonly offset: number; readonly data: Buffer };
}

async function* sendChunks(
  path: string,
  start: number,
  bytes: number,
  options: SendOptions,
): AsyncGenerator<Chunk | Serialized, void, undefined> {
  const { offset, chunkBytes, onSent, shared } = options;
  if (shared) {
    yield* sendShared(path, start, bytes, { ...options, shared });
    return;
  }
  let at = offset;
  for await (const data of readChunks(path, start + offset, start + bytes, chunkBytes)) {
    yield { chunk: { offset: at, data } };
    at += data.length;
    onSent(data.length);
  }
}

async function* sendShared(
  path: string,
  start: number,
  bytes: number,
  { offset, chunkBytes, onSent, shared }: SendOptions & { readonly shared: SharedChunks },
): AsyncGenerator<Serialized, void, undefined> {
  const leave = shared.enter();
  try {
    for (let at = offset; at < bytes;) {
      const count = Math.min(shared.chunkBytes(at, chunkBytes), bytes - at);
      yield await shared.get(path, start + at, count, at);
      onSent(count);
      at += count;
    }
  } finally {
    leave();
  }
}
