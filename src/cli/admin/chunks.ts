import { open } from 'node:fs/promises';
import { FedrotError } from '../../errors.js';
import { DEFAULT_CHUNK_BYTES } from '../../rpc/channel-options.js';

export interface ByteChunk {
  readonly offset: number;
  readonly data: Buffer;
}

/** Bytes in chunks of 512 KiB. */
export function* chunksOf(bytes: Buffer): Generator<ByteChunk> {
  for (let offset = 0; offset < bytes.length; offset += DEFAULT_CHUNK_BYTES)
    yield { offset, data: bytes.subarray(offset, offset + DEFAULT_CHUNK_BYTES) };
}

/** The same from a file of known size, one chunk in memory at a time. Throws file_invalid where the file has become shorter. */
export async function* fileChunks(path: string, bytes: number): AsyncGenerator<ByteChunk> {
  const file = await open(path, 'r');
  try {
    for (let offset = 0; offset < bytes;) {
      const length = Math.min(DEFAULT_CHUNK_BYTES, bytes - offset);
      const data = Buffer.allocUnsafe(length);
      const { bytesRead } = await file.read(data, 0, length, offset);
      if (bytesRead === 0)
        throw new FedrotError('file_invalid', `${path}: ends at byte ${offset} of ${bytes}; did it change?`);
      yield { offset, data: data.subarray(0, bytesRead) };
      offset += bytesRead;
    }
  } finally {
    await file.close();
  }
}
