import { createHash } from 'node:crypto';
import { closeSync, constants, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { FedrotError } from '../errors.js';
import { encodeElements } from './bytes.js';
import { canonicalHeader, tensorBytes } from './canonical.js';
import type { NamedTensor, TensorInfo } from './tensor.js';
import type { WrittenTensorFile } from './write-file.js';

const READ_BYTES = 1024 * 1024;
/** Of every file that is hashed in this thread, one after the other. */
let piece: Buffer | undefined;

/**
 * A canonical safetensors file of f32 whose tensors are written in any order, by several threads at once: each has a writer of its own on the same path.
 * Synchronous. It is whole when every tensor has been written; syncFile makes it durable, hashFileSync names it.
 */
export class TensorFileWriter {
  readonly #fd: number;
  readonly #places = new Map<string, { readonly at: number; readonly bytes: number }>();

  /** `tensors` in canonical order. Throws manifest_invalid as checkCanonical, and what the file system throws. */
  constructor(path: string, tensors: readonly TensorInfo[]) {
    const header = canonicalHeader(tensors);
    let at = header.length;
    for (const tensor of tensors) {
      const bytes = tensorBytes(tensor);
      this.#places.set(tensor.name, { at, bytes });
      at += bytes;
    }
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
    this.#put(header, 0); // the same from every writer
  }

  /** Of a shape that was announced. */
  write({ name, data }: NamedTensor): void {
    const bytes = encodeElements(data, 'f32');
    const place = this.#places.get(name);
    if (place?.bytes !== bytes.length)
      throw new FedrotError('internal', `tensor ${name}: ${bytes.length} bytes have no place in the file`);
    this.#put(bytes, place.at);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #put(bytes: Uint8Array, at: number): void {
    for (let done = 0; done < bytes.length;)
      done += writeSync(this.#fd, bytes, done, bytes.length - done, at + done);
  }
}

/** Everything that was written to the file is on the disk when it returns. */
export function syncFile(path: string): void {
  withFile(path, 'r+', fsyncSync);
}

/** Reads a file once, a piece at a time. */
export function hashFileSync(path: string): WrittenTensorFile {
  return withFile(path, 'r', (fd) => {
    const hash = createHash('sha256');
    piece ??= Buffer.allocUnsafeSlow(READ_BYTES);
    let bytes = 0;
    for (let read = readSync(fd, piece); read > 0; read = readSync(fd, piece)) {
      hash.update(piece.subarray(0, read));
      bytes += read;
    }
    return { sha256: hash.digest('hex'), bytes };
  });
}

function withFile<T>(path: string, flags: string, use: (fd: number) => T): T {
  const fd = openSync(path, flags);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}
