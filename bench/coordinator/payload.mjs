// Adapters of a stated size and the messages that carry them, serialized once: a load generator must cost as little as it can.
import { createHash } from 'node:crypto';
import { siloService } from '../../dist/rpc/protos.js';
import { canonicalHeader } from '../../dist/tensor/canonical.js';
import { toManifest } from '../../dist/tensor/manifest.js';
import { encodeTensorFile } from '../../dist/tensor/encode-file.js';
import { Random } from '../../dist/random.js';

export const submitUpdate = siloService.methods.SubmitUpdate;

/** What the parts of the bench send: `modules` layers of size × size, factors of rank r in float32. */
export const SHAPES = {
  'r16-33MB': { modules: 64, rank: 16, size: 4096 },
  'r64-33MB': { modules: 16, rank: 64, size: 4096 },
  'r16-134MB': { modules: 256, rank: 16, size: 4096 },
  '100MB': { modules: 190, rank: 16, size: 4096 },
  '10MB': { modules: 19, rank: 16, size: 4096 },
  '1.6MB': { modules: 3, rank: 16, size: 4096 },
  '1MB': { modules: 2, rank: 16, size: 4096 },
  tiny: { modules: 2, rank: 4, size: 256 },
};

export const bytesOf = ({ modules, rank, size }) => 8 * modules * rank * size;

/** Normal numbers from a table that no factor is longer than: rows that repeat would make its Gram matrix singular. */
export function adapterOf({ modules, rank, size }, own = 0) {
  const random = Random.of('bench', own);
  const table = Float32Array.from({ length: 1 << 20 }, () => random.normal());
  const values = (phase) =>
    Float32Array.from({ length: rank * size }, (_, i) => 0.02 * table[(i * 31 + phase * 7919) & 0xfffff]);
  return Array.from({ length: modules }, (_, m) => {
    const path = `base_model.model.layers.${String(m).padStart(3, '0')}.proj`;
    return [
      { name: `${path}.lora_A.weight`, shape: [rank, size], data: values(2 * m) },
      { name: `${path}.lora_B.weight`, shape: [size, rank], data: values(2 * m + 1) },
    ];
  }).flat();
}

/** The payload of a file without its header, its manifest and its digest. */
export function fileOf(tensors) {
  const { bytes, sha256 } = encodeTensorFile(tensors);
  return {
    payload: bytes.subarray(8 + Number(bytes.readBigUInt64LE())),
    manifest: toManifest(tensors.map(({ name, shape }) => ({ name, shape, dtype: 'f32' }))),
    sha256: Buffer.from(sha256, 'hex'),
  };
}

/** Chunks of a payload, as messages of CreateRun or PushBundleFile. */
export function* chunksOf(payload, chunkBytes = 512 * 1024) {
  for (let offset = 0; offset < payload.length; offset += chunkBytes)
    yield { chunk: { offset, data: payload.subarray(offset, offset + chunkBytes) } };
}

/**
 * The messages of one silo's update. All silos share the memory of all chunks but the last, where one element is the silo's own, so
 * that no two updates are the same file.
 */
export class Updates {
  #tensors;
  #prefix;
  #shared;
  #last;
  #at;

  constructor(shape, chunkBytes) {
    const tensors = adapterOf(shape, 1);
    this.#tensors = tensors.map(({ name, shape: dims }) => ({ name, shape: dims, dtype: 'f32' }));
    const { payload } = fileOf(tensors);
    this.bytes = payload.length;
    const chunks = [...chunksOf(payload, chunkBytes)];
    this.#last = chunks.pop().chunk;
    this.#shared = chunks.map((message) => submitUpdate.requestSerialize(message));
    this.#at = this.#last.offset;
    this.#prefix = createHash('sha256')
      .update(canonicalHeader(this.#tensors))
      .update(payload.subarray(0, this.#at));
  }

  /** `begin` holds what UpdateBegin has beside manifest and digest. Serialized messages, in order. */
  messages(index, begin) {
    const data = Buffer.from(this.#last.data);
    data.writeFloatLE(0.02 + 1e-4 * (index % 10_000), data.length - 4);
    data.writeFloatLE(0.001 * Math.floor(index / 10_000), data.length - 8);
    const sha256 = this.#prefix.copy().update(data).digest();
    const serialize = (message) => submitUpdate.requestSerialize(message);
    return [
      serialize({ begin: { ...begin, manifest: toManifest(this.#tensors), sha256, offset: 0 } }),
      ...this.#shared,
      serialize({ chunk: { offset: this.#at, data } }),
      serialize({ digest: { sha256 } }),
    ];
  }
}
