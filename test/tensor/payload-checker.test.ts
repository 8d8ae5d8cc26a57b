import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Random } from '../../src/random.js';
import { canonicalOrder } from '../../src/tensor/canonical.js';
import { WIRE_DTYPES } from '../../src/tensor/dtype.js';
import { encodeTensorFile, tensorInfos } from '../../src/tensor/encode-file.js';
import { PayloadChecker } from '../../src/tensor/payload-checker.js';
import { parseHeader } from '../../src/tensor/safetensors-header.js';
import type { TensorInfo } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';

const random = Random.of('payload');
const normals = (n: number): Float32Array => Float32Array.from({ length: n }, () => random.normal());
const TENSORS = canonicalOrder([
  { name: 'm.lora_A.weight', shape: [3, 7], data: normals(21) },
  { name: 'm.lora_B.weight', shape: [5, 3], data: normals(15) },
  { name: 'empty', shape: [0, 4], data: normals(0) },
  { name: 'scalar', shape: [], data: normals(1) },
]);

function encoded(dtype: TensorInfo['dtype']): { infos: TensorInfo[]; payload: Buffer; sha256: string } {
  const { bytes, sha256 } = encodeTensorFile(TENSORS, dtype);
  return {
    infos: tensorInfos(TENSORS, dtype),
    payload: bytes.subarray(parseHeader(bytes).payloadOffset),
    sha256,
  };
}

/** Feeds the payload cut at the given places, each piece at an odd address. */
function feed(checker: PayloadChecker, payload: Uint8Array, cuts: readonly number[]): void {
  const edges = [0, ...cuts.map((cut) => cut % payload.length).sort((a, b) => a - b), payload.length];
  for (let i = 0; i + 1 < edges.length; i++) {
    const piece = payload.subarray(edges[i], edges[i + 1]);
    const unaligned = new Uint8Array(piece.length + 1).subarray(1);
    unaligned.set(piece);
    checker.push(edges[i]!, unaligned);
  }
}

describe.each(WIRE_DTYPES)('PayloadChecker, %s', (dtype) => {
  const { infos, payload, sha256 } = encoded(dtype);
  const cuts = fc.array(fc.nat(1000), { maxLength: 40 });

  it('has the digest of the whole file, however the payload is cut', () => {
    fc.assert(
      fc.property(cuts, (places) => {
        const checker = new PayloadChecker(infos);
        feed(checker, payload, places);
        return checker.finish(Buffer.from(sha256, 'hex')) === sha256;
      }),
      { seed: 1 },
    );
  });

  it('names tensor and element of a NaN or an infinity, wherever it lies and however the payload is cut', () => {
    const bad = { f32: [0x7fc00000, 0xff800000], f16: [0x7e01, 0xfc00], bf16: [0x7fc0, 0xff80] }[dtype];
    const size = dtype === 'f32' ? 4 : 2;
    fc.assert(
      fc.property(cuts, fc.nat(36), fc.constantFrom(...bad), (places, at, pattern) => {
        const damaged = Buffer.from(payload);
        damaged.writeUIntLE(pattern, at * size, size);
        const [name, index] =
          at < 21 ? ['m.lora_A.weight', at] : at < 36 ? ['m.lora_B.weight', at - 21] : ['scalar', 0];
        const run = (): void => feed(new PayloadChecker(infos), damaged, places);
        expect(codeOf(run)).toBe('tensor_not_finite');
        expect(run).toThrow(new RegExp(`tensor ${name}, ${dtype} .*: element ${index} is`));
      }),
      { seed: 2 },
    );
  });

  it('accepts the largest finite and the smallest values', () => {
    const values = { f32: [0x7f7fffff, 0xff7fffff, 1], f16: [0x7bff, 0xfbff, 1], bf16: [0x7f7f, 0xff7f, 1] }[
      dtype
    ];
    const size = dtype === 'f32' ? 4 : 2;
    const extremes = Buffer.from(payload);
    values.forEach((value, i) => extremes.writeUIntLE(value, i * size, size));
    const checker = new PayloadChecker(infos);
    feed(checker, extremes, [3]);
    checker.finish();
  });
});

describe('PayloadChecker', () => {
  const { infos, payload, sha256 } = encoded('f32');

  it('refuses an early end, saying how far it came', () => {
    const checker = new PayloadChecker(infos);
    checker.push(0, payload.subarray(0, 100));
    expect(checker.received).toBe(100);
    expect(codeOf(() => checker.finish())).toBe('stream_truncated');
    expect(() => checker.finish()).toThrow(/ends after 100 of 148 bytes/);
  });

  it('refuses a gap and a repetition', () => {
    const checker = new PayloadChecker(infos);
    checker.push(0, payload.subarray(0, 10));
    expect(codeOf(() => checker.push(11, payload.subarray(11)))).toBe('stream_truncated');
    expect(() => checker.push(0, payload)).toThrow(/begins at byte 0 of the payload; expected 10/);
    checker.push(10, payload.subarray(10));
    expect(checker.finish()).toBe(sha256);
  });

  it('refuses more than the manifest announced', () => {
    const checker = new PayloadChecker(infos);
    checker.push(0, payload);
    expect(codeOf(() => checker.push(148, new Uint8Array(1)))).toBe('message_too_large');
  });

  it('refuses another digest, naming both', () => {
    const checker = new PayloadChecker(infos);
    checker.push(0, payload);
    const other = Buffer.alloc(32, 7);
    expect(() => checker.finish(other)).toThrow(new RegExp(`${'07'.repeat(32)}.*${sha256}`));
    for (const wrong of [other, Buffer.from(sha256, 'hex').subarray(0, 31), Buffer.alloc(0)]) {
      const again = new PayloadChecker(infos);
      again.push(0, payload);
      expect(codeOf(() => again.finish(wrong))).toBe('checksum_mismatch');
    }
  });

  it('takes a list without tensors', () => {
    expect(new PayloadChecker([]).finish()).toMatch(/^[0-9a-f]{64}$/);
  });

  it('refuses a list that is not canonical', () => {
    expect(codeOf(() => new PayloadChecker([...infos].reverse()))).toBe('manifest_invalid');
  });
});
