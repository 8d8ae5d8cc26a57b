import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  canonicalHeader,
  canonicalOrder,
  checkCanonical,
  MAX_TENSORS,
  payloadBytes,
} from '../../src/tensor/canonical.js';
import { encodeTensorFile, memorySource } from '../../src/tensor/encode-file.js';
import type { TensorInfo } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';

const info = (name: string, shape: number[] = [1], dtype: TensorInfo['dtype'] = 'f32'): TensorInfo => ({
  name,
  dtype,
  shape,
});

describe('the canonical file', () => {
  it('is, byte for byte, what docs/architecture.md says (spelled out here by hand)', () => {
    const { bytes, sha256 } = encodeTensorFile([
      { name: 'b', shape: [], data: Float32Array.of(-2) },
      { name: 'a', shape: [2, 1], data: Float32Array.of(1, 0.5) },
    ]);
    const json =
      '{"__metadata__":{"format":"pt"},' +
      '"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}';
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8, ' ');
    const expected = Buffer.concat([
      Buffer.from([padded.length, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from(padded),
      Buffer.from('0000803f0000003f000000c0', 'hex'),
    ]);
    expect(bytes.toString('latin1')).toBe(expected.toString('latin1'));
    expect(bytes.length % 8).toBe(4); // header whole, payload as it is
    expect(sha256).toBe(createHash('sha256').update(expected).digest('hex'));
  });

  it('holds f16 and bf16', () => {
    const tensors = [{ name: 'x', shape: [2], data: Float32Array.of(1, -2) }];
    expect(encodeTensorFile(tensors, 'f16').bytes.subarray(-4).toString('hex')).toBe('003c00c0');
    expect(encodeTensorFile(tensors, 'bf16').bytes.subarray(-4).toString('hex')).toBe('803f00c0');
    expect(encodeTensorFile(tensors, 'f16').bytes.toString('latin1')).toContain('"dtype":"F16"');
  });

  it('does not depend on the order of its tensors, and orders by UTF-16 code units', () => {
    const names = ['lora_B', 'lora_A', '10', '9', 'é', 'z', 'Z', '\u{1F600}', '\uFFFD'];
    const ordered = ['10', '9', 'Z', 'lora_A', 'lora_B', 'z', 'é', '\u{1F600}', '\uFFFD'];
    expect(canonicalOrder(names.map((name) => info(name))).map((tensor) => tensor.name)).toEqual(ordered);
    const header = canonicalHeader(names.map((name) => info(name)));
    expect(header).toEqual(canonicalHeader(ordered.map((name) => info(name))));
    const positions = ordered.map((name) => header.toString().indexOf(`${JSON.stringify(name)}:{`));
    expect(positions).toEqual([...positions].sort((a, b) => a - b));
    expect(positions).not.toContain(-1);
  });

  it('counts bytes', () => {
    expect(
      payloadBytes([info('a', [3, 4]), info('b', [], 'f16'), info('c', [0, 7]), info('d', [5], 'bf16')]),
    ).toBe(48 + 2 + 0 + 10);
  });

  it('refuses lists beyond the limits of the wire', () => {
    const cases: [string, TensorInfo[]][] = [
      ['manifest_invalid', [info('a'), info('a')]],
      ['manifest_invalid', [info('b'), info('a')]],
      ['manifest_invalid', [info('')]],
      ['manifest_invalid', [info('x'.repeat(513))]],
      ['manifest_invalid', [info('é'.repeat(257))]],
      ['manifest_invalid', [info('\uD800')]],
      ['manifest_invalid', [info('__metadata__')]],
      ['tensor_shape', [info('a', [1, 1, 1, 1, 1, 1, 1, 1, 1])]],
      ['tensor_shape', [info('a', [-1])]],
      ['tensor_shape', [info('a', [1.5])]],
      ['tensor_shape', [info('a', [2 ** 51]), info('b', [2 ** 51])]],
      ['manifest_invalid', Array.from({ length: MAX_TENSORS + 1 }, (_, i) => info(String(i)))],
    ];
    for (const [code, tensors] of cases) expect(codeOf(() => checkCanonical(tensors))).toBe(code);
    checkCanonical([info('x'.repeat(512)), info('y', [1, 1, 1, 1, 1, 1, 1, 1])]);
  });

  it('refuses NaN, infinity and what f16 cannot hold, naming tensor and element', () => {
    const encode = (value: number, dtype: TensorInfo['dtype']) => () =>
      encodeTensorFile([{ name: 'head', shape: [3], data: Float32Array.of(0, 1, value) }], dtype);
    expect(encode(NaN, 'f32')).toThrow(/tensor head: element 2 is NaN/);
    expect(codeOf(encode(Infinity, 'f32'))).toBe('tensor_not_finite');
    expect(encode(70_000, 'f16')).toThrow(/element 2 is 70000, which is not finite in f16/);
    encode(70_000, 'bf16')();
  });

  it('refuses data that does not fill its shape', () => {
    expect(codeOf(() => encodeTensorFile([{ name: 'a', shape: [2, 2], data: new Float32Array(3) }]))).toBe(
      'tensor_shape',
    );
    expect(codeOf(() => memorySource([{ name: 'a', shape: [2, 2], data: new Float32Array(3) }]))).toBe(
      'tensor_shape',
    );
  });
});

describe('memorySource', () => {
  it('lists by name and reads by name', () => {
    const source = memorySource([
      { name: 'b', shape: [1], data: Float32Array.of(2) },
      { name: 'a', shape: [1], data: Float32Array.of(1) },
    ]);
    expect(source.tensors).toEqual([info('a'), info('b')]);
    expect(source.read('b')).toEqual(Float32Array.of(2));
    expect(codeOf(() => source.read('c'))).toBe('tensor_name');
  });

  it('refuses a name that comes twice', () => {
    const tensor = { name: 'a', shape: [1], data: Float32Array.of(1) };
    expect(codeOf(() => memorySource([tensor, tensor]))).toBe('manifest_invalid');
  });
});
