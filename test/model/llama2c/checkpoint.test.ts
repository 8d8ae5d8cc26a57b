import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../../src/model/checkpoint.js';
import { importCheckpoint } from '../../../src/model/import-checkpoint.js';
import { openLlama2c } from '../../../src/model/llama2c/checkpoint.js';
import { inlineSink } from '../../../src/model/weight-sink.js';
import { openSafetensors } from '../../../src/tensor/safetensors-file.js';
import { repoPath } from '../../support/repo.js';
import { forward, relativeError } from '../forward.js';

const GOLDEN = repoPath('test/data/golden/llama');
const [HIDDEN, INNER, LAYERS, HEADS, KV, VOCABULARY, POSITIONS] = [16, 24, 2, 4, 2, 24, 32];

/** Hugging Face's order of rows (halves of a head) as llama2.c has them (pairs): row 2i from i, 2i + 1 from i + dim / 2. */
function inPairs(data: Float32Array, heads: number): Float32Array {
  const out = new Float32Array(data.length);
  const rows = data.length / HIDDEN;
  const half = rows / heads / 2;
  for (let row = 0; row < rows; row++) {
    const [head, i] = [Math.floor(row / (2 * half)), row % (2 * half)];
    const from = head * 2 * half + (i >> 1) + (i % 2) * half;
    out.set(data.subarray(from * HIDDEN, (from + 1) * HIDDEN), row * HIDDEN);
  }
  return out;
}

/** The golden Llama as llama2.c's export.py would write it. */
async function written(version: 0 | 1): Promise<Buffer> {
  const source = await openCheckpoint(join(GOLDEN, 'checkpoint'));
  const read = (name: string): Float32Array => source.read(name);
  const layers = (name: string, change = (data: Float32Array): Float32Array => data): Float32Array[] =>
    Array.from({ length: LAYERS }, (_, layer) => change(read(`model.layers.${layer}.${name}.weight`)));
  const embedding = read('model.embed_tokens.weight');
  const attention = [
    ...layers('self_attn.q_proj', (data) => inPairs(data, HEADS)),
    ...layers('self_attn.k_proj', (data) => inPairs(data, KV)),
    ...layers('self_attn.v_proj'),
    ...layers('self_attn.o_proj'),
  ];
  const mlp = [...layers('mlp.gate_proj'), ...layers('mlp.down_proj'), ...layers('mlp.up_proj')];
  const [first, second] = [layers('input_layernorm'), layers('post_attention_layernorm')];
  const [last, head] = [read('model.norm.weight'), read('lm_head.weight')];
  const angles = new Float32Array(2 * POSITIONS * (HIDDEN / HEADS / 2)).fill(NaN);
  const sizes = [HIDDEN, INNER, LAYERS, HEADS, KV, version === 0 ? -VOCABULARY : VOCABULARY, POSITIONS];
  const header = Buffer.alloc(version === 0 ? 28 : 256);
  if (version === 1) [0x616b3432, 1].forEach((value, i) => header.writeInt32LE(value, 4 * i));
  sizes.forEach((value, i) => header.writeInt32LE(value, (version === 0 ? 0 : 8) + 4 * i));
  const parts =
    version === 0
      ? [embedding, ...first, ...attention, ...second, ...mlp, last, angles, head]
      : [...first, ...second, last, embedding, ...attention, ...mlp, head];
  source.close();
  return Buffer.concat([
    header,
    ...parts.map((part) => Buffer.from(part.buffer, part.byteOffset, part.byteLength)),
  ]);
}

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'fedrot-llama2c-'))));
afterEach(() => rm(folder, { recursive: true }));

describe.each([0, 1] as const)('a llama2.c checkpoint of version %i', (version) => {
  it('gives the logits of the same model from a Hugging Face checkpoint', async () => {
    const path = join(folder, 'model.bin');
    await writeFile(path, await written(version));
    const checkpoint = openLlama2c(path);
    const config = { ...checkpoint.config, rms_norm_eps: 1e-6, rope_theta: 500 };
    const { model, unusedTensors } = importCheckpoint({ ...checkpoint, config }, inlineSink, { seed: 0 });
    checkpoint.close();
    expect(unusedTensors).toEqual([]);
    const batch = JSON.parse(await readFile(join(GOLDEN, 'batch.json'), 'utf8')) as Record<
      string,
      number[][]
    >;
    const expected = openSafetensors(join(GOLDEN, 'expected.safetensors'));
    const { data } = await forward(model, batch);
    expect(relativeError(data, expected.readFloat32('logits.base'))).toBeLessThan(5e-6);
    expected.close();
  });

  it.each([
    ['cut off', (bytes: Buffer): Buffer => bytes.subarray(0, -4), /bytes; its header asks for/],
    [
      'with a header of zeros',
      (bytes: Buffer): Buffer => Buffer.concat([Buffer.alloc(256), bytes]),
      /makes no sense/,
    ],
    ['empty', (): Buffer => Buffer.alloc(0), /0 bytes only/],
  ])('is refused when it is %s', async (_, change, message) => {
    const path = join(folder, 'model.bin');
    await writeFile(path, change(await written(version)));
    expect(() => openLlama2c(path)).toThrow(message);
    expect(() => openLlama2c(path)).toThrow(expect.objectContaining({ code: 'file_invalid' }));
  });
});

it('refuses a quantized checkpoint, and a file that is not there', async () => {
  const path = join(folder, 'model.bin');
  const bytes = await written(1);
  bytes.writeInt32LE(2, 4);
  await writeFile(path, bytes);
  expect(() => openLlama2c(path)).toThrow(/version 2; versions 0 and 1/);
  expect(() => openLlama2c(join(folder, 'none'))).toThrow(expect.objectContaining({ code: 'not_found' }));
});
