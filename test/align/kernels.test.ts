import { describe, expect, it } from 'vitest';
import { fastKernels } from '../../src/align/fast-kernels.js';
import { jsKernels } from '../../src/align/kernels.js';
import { wasmKernels } from '../../src/align/wasm-kernels.js';
import { Random } from '../../src/random.js';
import { flip, fromFlat, times } from './support/dense.js';
import { normals } from './support/federation.js';

const SIZES = [1, 2, 3, 4, 5, 8, 9];
const LENGTHS = [1, 2, 7, 33, 150];

/** Every product of a float32 pair is exact in float64: only the order of some 150 sums differs. */
const TOLERANCE = 1e-13;

describe.each([
  ['in JavaScript', jsKernels],
  ['in WebAssembly', wasmKernels()],
])('kernels %s, against three loops', (_, kernels) => {
  const random = Random.of('kernels');
  const shapes = SIZES.flatMap((m) => SIZES.flatMap((p) => LENGTHS.map((n) => ({ m, p, n }))));

  it('gram: X Yᵀ', () => {
    for (const { m, p, n } of shapes) {
      const x = normals(random, m * n);
      const y = normals(random, p * n);
      const expected = times(fromFlat(x, m, n), flip(fromFlat(y, p, n))).flat();
      const got = kernels.gram(x, m, y, p, n);
      expect(got).toHaveLength(m * p);
      got.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(TOLERANCE));
    }
  });

  it('addProduct: target + weight · Cᵀ X', () => {
    for (const { m, p, n } of shapes) {
      const x = normals(random, m * n);
      const c = Float64Array.from({ length: m * p }, () => random.normal());
      const target = Float64Array.from({ length: p * n }, () => random.normal());
      const before = target.slice();
      kernels.addProduct(target, -0.3, c, p, x, m, n);
      const expected = times(flip(fromFlat(c, m, p)), fromFlat(x, m, n)).flat();
      target.forEach((value, i) =>
        expect(Math.abs(value - (before[i]! - 0.3 * expected[i]!))).toBeLessThan(TOLERANCE),
      );
    }
  });

  it('add: target + weight · x', () => {
    const target = Float64Array.of(1, 2, 3);
    kernels.add(target, 0.5, Float32Array.of(4, -2, 0));
    expect([...target]).toEqual([3, 1, 3]);
  });
});

describe('kernels in WebAssembly, against JavaScript', () => {
  it.each([
    [16, 16, 4096],
    [1, 300, 333],
    [300, 7, 1001],
    [64, 64, 9001],
    [130, 130, 50],
  ])('%i × %i × %i: the same to 1e-12', (m, p, n) => {
    const random = Random.of('wasm', m, p, n);
    const wasm = wasmKernels();
    const x = normals(random, m * n);
    const y = normals(random, p * n);
    const c = Float64Array.from({ length: m * p }, () => random.normal());
    const off = (got: Float64Array, expected: Float64Array, scale: number): number =>
      got.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0) / scale;
    expect(off(wasm.gram(x, m, y, p, n), jsKernels.gram(x, m, y, p, n), n)).toBeLessThan(1e-13);
    const [one, two] = [0, 1].map(() => Float64Array.from({ length: p * n }, (_, i) => i % 7)) as [Float64Array, Float64Array]; // prettier-ignore
    wasm.addProduct(one, 0.7, c, p, x, m, n);
    jsKernels.addProduct(two, 0.7, c, p, x, m, n);
    expect(off(one, two, m)).toBeLessThan(1e-13);
  });

  it('are what is used, and hold no NaN of an earlier call', () => {
    const kernels = fastKernels();
    expect(kernels).toBe(fastKernels());
    expect(kernels).not.toBe(jsKernels);
    const bad = new Float32Array(5 * 1000).fill(NaN);
    kernels.gram(bad, 5, bad, 5, 1000);
    const good = new Float32Array(3 * 1001).fill(1);
    expect([...kernels.gram(good, 3, good, 3, 1001)]).toEqual(new Array(9).fill(1001));
  });
});
