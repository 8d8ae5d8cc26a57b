import { describe, expect, it } from 'vitest';
import { checkManifest, fromManifest, toManifest, type ReceivedManifest } from '../../src/tensor/manifest.js';
import type { TensorInfo } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';

const TENSORS: readonly TensorInfo[] = [
  { name: 'q.lora_A.weight', dtype: 'f32', shape: [4, 16] },
  { name: 'q.lora_B.weight', dtype: 'f32', shape: [16, 4] },
];

describe('manifest', () => {
  it('goes to the wire and back', () => {
    const wire = toManifest([...TENSORS].reverse());
    expect(wire).toEqual({
      tensors: [
        { name: 'q.lora_A.weight', dtype: 'DTYPE_F32', shape: [4, 16] },
        { name: 'q.lora_B.weight', dtype: 'DTYPE_F32', shape: [16, 4] },
      ],
      payloadBytes: 512,
    });
    expect(fromManifest(wire)).toEqual(TENSORS);
  });

  it('takes counts as number, string, bigint or Long, and dtypes by name or number', () => {
    const long = { toString: () => '6' };
    expect(
      fromManifest({
        tensors: [
          { name: 'a', dtype: 2, shape: ['3', 1n] },
          { name: 'b', dtype: 'DTYPE_BF16', shape: [long] },
        ],
        payloadBytes: '18',
      }),
    ).toEqual([
      { name: 'a', dtype: 'f16', shape: [3, 1] },
      { name: 'b', dtype: 'bf16', shape: [6] },
    ]);
    expect(fromManifest({})).toEqual([]);
  });

  const entry = { name: 'a', dtype: 'DTYPE_F32', shape: [2] };
  it.each<[string, string, ReceivedManifest | undefined]>([
    ['manifest_invalid', 'nothing', undefined],
    ['manifest_invalid', 'a wrong payload size', { tensors: [entry], payloadBytes: 9 }],
    ['manifest_invalid', 'a name twice', { tensors: [entry, entry], payloadBytes: 16 }],
    [
      'manifest_invalid',
      'names out of order',
      { tensors: [{ ...entry, name: 'b' }, entry], payloadBytes: 16 },
    ],
    ['manifest_invalid', 'no name', { tensors: [{ dtype: 1, shape: [2] }], payloadBytes: 8 }],
    ['tensor_dtype', 'no dtype', { tensors: [{ name: 'a', shape: [2] }], payloadBytes: 8 }],
    ['tensor_dtype', 'an unknown dtype', { tensors: [{ ...entry, dtype: 7 }], payloadBytes: 8 }],
    [
      'tensor_shape',
      'a huge dimension',
      { tensors: [{ ...entry, shape: ['18446744073709551615'] }], payloadBytes: 8 },
    ],
    [
      'tensor_shape',
      'a dimension that is no number',
      { tensors: [{ ...entry, shape: ['x'] }], payloadBytes: 8 },
    ],
  ])('%s: %s', (code, _, manifest) => {
    expect(codeOf(() => fromManifest(manifest))).toBe(code);
  });
});

describe('checkManifest', () => {
  const [a, b] = TENSORS as [TensorInfo, TensorInfo];

  it('accepts the same names and shapes in an allowed dtype', () => {
    checkManifest(TENSORS, TENSORS);
    checkManifest(TENSORS, [{ ...a, dtype: 'bf16' }, b], ['f32', 'bf16']);
  });

  it.each<[string, TensorInfo[], RegExp]>([
    ['tensor_name', [a], /q\.lora_B\.weight is missing: expected 2 tensors, got 1/],
    [
      'tensor_name',
      [a, { ...b, name: 'k.lora_B.weight' }],
      /k\.lora_B\.weight is not part .*q\.lora_B\.weight is missing/,
    ],
    [
      'tensor_name',
      [a, b, { ...b, name: 'z' }],
      /tensor z is not part of this adapter, which has 2 tensors$/,
    ],
    [
      'tensor_shape',
      [a, { ...b, shape: [16, 8] }],
      /q\.lora_B\.weight: expected shape \[16, 4\], got \[16, 8\]/,
    ],
    ['tensor_shape', [a, { ...b, shape: [64] }], /expected shape \[16, 4\], got \[64\]/],
    ['tensor_dtype', [{ ...a, dtype: 'f16' }, b], /q\.lora_A\.weight: expected f32, got f16/],
  ])('%s with a message that names tensor, expected and got', (code, got, message) => {
    expect(codeOf(() => checkManifest(TENSORS, got))).toBe(code);
    expect(() => checkManifest(TENSORS, got)).toThrow(message);
  });
});
