import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { FedrotError } from '../errors.js';
import { encodeElements } from './bytes.js';
import { canonicalHeader, tensorBytes } from './canonical.js';
import type { NamedTensor, TensorInfo } from './tensor.js';

/**
 * A canonical safetensors file of f32 whose tensors are written in any order, by several threads at once: each has a writer of its own on the same path.
 * Synchronous. It is whole when every tensor has been written; written-file.ts makes it durable and names it.
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
