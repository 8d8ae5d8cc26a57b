import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { encodeElements } from '../../src/tensor/bytes.js';
import { WIRE_DTYPES } from '../../src/tensor/dtype.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { openSafetensors } from '../../src/tensor/safetensors-file.js';
import { pythonHas, pythonMissing, runPython } from '../support/python.js';

const ready = pythonHas('numpy', 'safetensors');
const folder = mkdtempSync(join(tmpdir(), 'fedrot-oracle-'));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** A linear congruential generator (Numerical Recipes): bit patterns that neither side chose. */
function bitPatterns(count: number, seed: number): Uint32Array {
  const bits = new Uint32Array(count);
  for (let i = 0, state = seed; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bits[i] = state;
  }
  return bits;
}

const isFinitePattern = (bits: number): boolean => (bits & 0x7f800000) !== 0x7f800000;

const PREFIX = 'base_model.model.bert.encoder.layer';
const SHAPES: readonly (readonly [string, readonly number[]])[] = [
  [`${PREFIX}.10.attention.self.query.lora_A.weight`, [4, 24]],
  [`${PREFIX}.2.attention.self.query.lora_B.weight`, [24, 4]],
  [`${PREFIX}.2.attention.self.query.lora_A.weight`, [4, 24]],
  ['base_model.model.classifier.weight', [3, 24]],
  ['base_model.model.classifier.bias', [3]],
  ['Zürich.weight', [0, 5]],
  ['scalar', []],
];

/** Values of every size that f16 holds. */
const tensors = SHAPES.map(([name, shape], index) => ({
  name,
  shape,
  data: Float32Array.from(
    bitPatterns(
      shape.reduce((product, dim) => product * dim, 1),
      index + 1,
    ),
    (bits) => (bits / 2 ** 31 - 1) * 2 ** ((bits % 24) - 16),
  ),
}));

interface PythonTensor {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bits: readonly number[];
}

describe.skipIf(!ready)(`Python's safetensors${ready ? '' : ` (${pythonMissing})`}`, () => {
  test.each(WIRE_DTYPES)('opens a canonical file of %s with every bit in place', (dtype) => {
    const path = join(folder, `${dtype}.safetensors`);
    const { bytes, sha256 } = encodeTensorFile(tensors, dtype);
    writeFileSync(path, bytes);
    expect(createHash('sha256').update(readFileSync(path)).digest('hex')).toBe(sha256);

    const seen = runPython('read_tensors.py', { path }) as { metadata: unknown; tensors: PythonTensor[] };
    expect(seen.metadata).toEqual({ format: 'pt' });
    const byName = new Map(seen.tensors.map((tensor) => [tensor.name, tensor]));
    expect([...byName.keys()].sort()).toEqual(tensors.map(({ name }) => name).sort());
    for (const { name, shape, data } of tensors) {
      const raw = new Uint8Array(encodeElements(data, dtype));
      const bits = dtype === 'f32' ? new Uint32Array(raw.buffer) : new Uint16Array(raw.buffer);
      expect(byName.get(name)).toEqual({ name, dtype: dtype.toUpperCase(), shape, bits: [...bits] });
    }
  });

  test('writes files that fedrot reads, whatever their order and metadata', () => {
    const path = join(folder, 'written-by-python.safetensors');
    runPython('write_tensors.py', {
      path,
      tensors: tensors.map(({ name, shape, data }) => ({ name, shape, values: [...data] })),
    });
    const file = openSafetensors(path);
    try {
      expect(file.entries.map(({ name }) => name)).toEqual(tensors.map(({ name }) => name).sort());
      for (const { name, data } of tensors) expect(file.readFloat32(name)).toEqual(data);
    } finally {
      file.close();
    }
  });
});

describe.skipIf(!ready)(`numpy${ready ? '' : ` (${pythonMissing})`}`, () => {
  test('rounds 200,000 float32 values of every size, and every tie, to the same f16 and bf16', () => {
    const ties = [...bitPatterns(20_000, 7)].flatMap((bits) => [
      (bits & 0xffff0000) | 0x8000, // half way between two bf16
      (bits & 0xffffe000) | 0x1000, // half way between two normal f16
    ]);
    const patterns = Uint32Array.from([...bitPatterns(160_000, 3), ...ties].filter(isFinitePattern));
    const expected = runPython('encode_values.py', { values: [...patterns] }) as Record<
      'f16' | 'bf16',
      number[]
    >;
    const values = new Float32Array(patterns.buffer);
    for (const dtype of ['f16', 'bf16'] as const) {
      const raw = new Uint8Array(encodeElements(values, dtype));
      expect(Buffer.compare(raw, new Uint8Array(Uint16Array.from(expected[dtype]).buffer))).toBe(0);
    }
  });
});
