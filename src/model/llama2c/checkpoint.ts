import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { FedrotError } from '../../errors.js';
import type { Checkpoint } from '../checkpoint.js';
import { halvesFromPairs } from './halves-from-pairs.js';
import { weightTable, type Llama2cSizes, type StoredTensor } from './weight-table.js';

/** Version 0 begins with seven int32; later ones with this number, "ak42" (llama2.c, export.py). */
const MAGIC = 0x616b3432;
const HEADER_V0 = 28;
const HEADER_V1 = 256;

interface Header {
  readonly sizes: Llama2cSizes;
  readonly bytes: number;
  readonly version: 0 | 1;
}

function sizesAt(view: DataView, at: number, tied: boolean | undefined): Llama2cSizes {
  const [hidden, intermediate, layers, heads, keyValueHeads, vocabulary, positions] = Array.from(
    { length: 7 },
    (_, i) => view.getInt32(at + 4 * i, true),
  ) as [number, number, number, number, number, number, number];
  // Version 0 marks an output matrix of its own by a negative size of the vocabulary.
  const sizes = {
    hidden,
    intermediate,
    layers,
    heads,
    keyValueHeads,
    vocabulary: Math.abs(vocabulary),
    positions,
  };
  return { ...sizes, tied: tied ?? vocabulary > 0 };
}

function readHeader(view: DataView, path: string): Header {
  if (view.getInt32(0, true) !== MAGIC)
    return { sizes: sizesAt(view, 0, undefined), bytes: HEADER_V0, version: 0 };
  const version = view.getInt32(4, true);
  if (version !== 1)
    throw new FedrotError(
      'model_unsupported',
      `${path}: is a llama2.c checkpoint of version ${version}; versions 0 and 1 (float32) can be read`,
    );
  return { sizes: sizesAt(view, 8, view.getUint8(36) === 1), bytes: HEADER_V1, version };
}

/** Refuses what cannot be a header before anything is read by it. */
function checkSizes(sizes: Llama2cSizes, path: string): void {
  const { hidden, heads, keyValueHeads, tied: _tied, ...rest } = sizes;
  const counts = [hidden, heads, keyValueHeads, ...Object.values(rest)];
  const wrong = counts.some((count) => !Number.isInteger(count) || count < 1 || count > 2 ** 24);
  if (wrong || hidden % heads !== 0 || heads % keyValueHeads !== 0 || (hidden / heads) % 2 !== 0)
    throw new FedrotError('file_invalid', `${path}: is no llama2.c checkpoint: its header makes no sense`);
}

/** As Hugging Face's LlamaConfig says it. Norms use 1e-5 and angles θ = 10000 (llama2.c, model.py). */
function configOf(sizes: Llama2cSizes): Checkpoint['config'] {
  return {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    vocab_size: sizes.vocabulary,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.intermediate,
    num_hidden_layers: sizes.layers,
    num_attention_heads: sizes.heads,
    num_key_value_heads: sizes.keyValueHeads,
    max_position_embeddings: sizes.positions,
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: sizes.tied,
    hidden_act: 'silu',
    bos_token_id: 1,
    eos_token_id: 2,
  };
}

/**
 * A checkpoint of karpathy/llama2.c (versions 0 and 1, float32) under the names of a Hugging Face Llama. Throws not_found,
 * file_invalid, or model_unsupported for a quantized one.
 */
export function openLlama2c(path: string): Checkpoint {
  let descriptor: number;
  try {
    descriptor = openSync(path, 'r');
  } catch (cause) {
    throw new FedrotError('not_found', `${path}: no such file`, { cause });
  }
  try {
    const size = fstatSync(descriptor).size;
    if (size < HEADER_V1)
      throw new FedrotError('file_invalid', `${path}: is no llama2.c checkpoint: it has ${size} bytes only`);
    const header = readHeader(new DataView(readBytes(descriptor, 0, HEADER_V1, path).buffer), path);
    const { sizes } = header;
    checkSizes(sizes, path);
    const { tensors, bytes } = weightTable(sizes, header.version, header.bytes);
    if (bytes !== size)
      throw new FedrotError(
        'file_invalid',
        `${path}: has ${size} bytes; its header asks for ${bytes} (${sizes.layers} layers, ${sizes.hidden} wide, vocabulary ${sizes.vocabulary})`,
      );
    const find = (name: string): StoredTensor => {
      const found = tensors.get(name);
      if (found === undefined) throw new FedrotError('tensor_name', `${path}: has no tensor ${name}`);
      return found;
    };
    return {
      folder: dirname(path),
      config: configOf(sizes),
      weightFiles: [basename(path)],
      names: [...tensors.keys()].sort(),
      shape: (name) => tensors.get(name)?.shape,
      read(name) {
        const { shape, offset, heads } = find(name);
        const count = shape.reduce((product, dim) => product * dim, 1);
        const data = new Float32Array(readBytes(descriptor, offset, 4 * count, path).buffer);
        return heads === undefined ? data : halvesFromPairs(data, heads, shape);
      },
      close: () => closeSync(descriptor),
    };
  } catch (thrown) {
    closeSync(descriptor);
    throw thrown;
  }
}

function readBytes(
  descriptor: number,
  offset: number,
  length: number,
  path: string,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length;) {
    const read = readSync(descriptor, bytes, done, Math.min(length - done, 1 << 30), offset + done);
    if (read === 0) throw new FedrotError('file_invalid', `${path}: ends at byte ${offset + done}`);
    done += read;
  }
  return bytes;
}
