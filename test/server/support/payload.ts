import { canonicalHeader } from '../../../src/tensor/canonical.js';
import { encodeTensorFile } from '../../../src/tensor/encode-file.js';
import type { WireDType } from '../../../src/tensor/dtype.js';
import { toManifest, type ProtoManifest } from '../../../src/tensor/manifest.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';

/** An update as it goes over the wire. */
export interface Encoded {
  readonly manifest: ProtoManifest;
  readonly payload: Buffer;
  readonly sha256: Buffer;
}

export function encode(tensors: readonly NamedTensor[], dtype: WireDType = 'f32'): Encoded {
  const { bytes, sha256 } = encodeTensorFile(tensors, dtype);
  return {
    manifest: toManifest(tensors.map(({ name, shape }) => ({ name, shape, dtype }))),
    payload: payloadOf(bytes),
    sha256: Buffer.from(sha256, 'hex'),
  };
}

/** What follows the header of a safetensors file. */
export function payloadOf(file: Buffer): Buffer {
  return file.subarray(8 + Number(file.readBigUInt64LE()));
}

/** The file that manifest and payload make. */
export function fileOf(tensors: readonly NamedTensor[], payload: Buffer): Buffer {
  return Buffer.concat([
    canonicalHeader(tensors.map(({ name, shape }) => ({ name, shape, dtype: 'f32' }))),
    payload,
  ]);
}

export function chunksOf(
  payload: Buffer,
  from = 0,
  size = 4096,
): { chunk: { offset: number; data: Buffer } }[] {
  const chunks = [];
  for (let offset = from; offset < payload.length; offset += size)
    chunks.push({ chunk: { offset, data: payload.subarray(offset, offset + size) } });
  return chunks;
}
