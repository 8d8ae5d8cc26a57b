import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { FedrotError } from '../errors.js';
import { encodeElements, firstNotFinite } from './bytes.js';
import { canonicalHeader, canonicalOrder } from './canonical.js';
import type { TensorSource } from './tensor.js';

export interface WrittenTensorFile {
  /** Of the file, hex. */
  readonly sha256: string;
  readonly bytes: number;
}

/**
 * Writes a source's tensors as a canonical safetensors file of f32, one tensor in memory at a time; on the disk when it returns.
 * Synchronous. Throws tensor_not_finite, manifest_invalid as checkCanonical, and what the file system throws; a file that was begun stays.
 */
export function writeTensorFile(path: string, source: TensorSource): WrittenTensorFile {
  const tensors = canonicalOrder(source.tensors).map(({ name, shape }) => ({
    name,
    shape,
    dtype: 'f32' as const,
  }));
  const hash = createHash('sha256');
  let written = 0;
  const fd = openSync(path, 'w');
  try {
    const append = (bytes: Uint8Array): void => {
      hash.update(bytes);
      for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done);
      written += bytes.length;
    };
    append(canonicalHeader(tensors));
    for (const { name } of tensors) {
      const data = source.read(name);
      const bytes = encodeElements(data, 'f32');
      const at = firstNotFinite(bytes, 'f32');
      if (at >= 0)
        throw new FedrotError(
          'tensor_not_finite',
          `tensor ${name}: element ${at} is ${data[at]}, which is not finite`,
        );
      append(bytes);
    }
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return { sha256: hash.digest('hex'), bytes: written };
}
