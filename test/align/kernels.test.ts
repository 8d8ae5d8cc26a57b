import { describe, expect, it } from 'vitest';
import { fastKernels } from '../../src/align/fast-kernels.js';
import { jsKernels } from '../../src/align/kernels.js';
import { randomRotation } from '../../src/align/random-rotation.js';
import { norm } from '../../src/align/rotate.js';
import { multiply, orientation, transpose } from '../../src/align/small-matrix.js';
import { wasmKernels } from '../../src/align/wasm-kernels.js';
import { Random } from '../../src/random.js';
import { flip, fromFlat, times } from './support/dense.js';
import { normals } from './support/federation.js';

const SIZES = [1, 2, 3, 4, 5, 8, 9];
const LENGTHS = [1, 2, 7, 33, 150];

/** Every product of a float32 pair is exact in float64: only the order of some 150 sums differs. */
const TOLERANCE = 1e-13;

/** Products of a few float32 near 1, summed in float32. */
const FLOAT32 = 1e-6;

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

  it('rotatedSum: Σ weight · Rᵀ X, to float32, and of X itself', () => {
    for (const { m: r, n } of shapes) {
      const x = normals(random, r * n);
      const rotation = randomRotation(r, random);
      const plain = normals(random, r * n);
      const sum = kernels.rotatedSum(r, n);
      sum.add(0.5, undefined, plain);
      sum.add(-0.3, rotation, x);
      const expected = times(flip(fromFlat(rotation, r, r)), fromFlat(x, r, n)).flat();
      const got = sum.rounded();
      expect(got).toHaveLength(r * n);
      got.forEach((value, i) =>
        expect(Math.abs(value - (0.5 * plain[i]! - 0.3 * expected[i]!))).toBeLessThan(FLOAT32),
      );
      sum.end();
    }
  });

  it('sumFromRight: Σ weight · X R, to the bits of rotatedSum on the other side', () => {
    for (const [n, r] of [
      ...shapes.map(({ m, n }) => [n, m] as const),
      [4097, 8],
      [1022, 16],
      [700, 64],
    ] as const) {
      const [x, plain] = [normals(random, n * r), normals(random, n * r)];
      const rotation = randomRotation(r, random);
      const [right, left] = [kernels.sumFromRight(n, r), kernels.rotatedSum(r, n)];
      right.add(0.5, undefined, plain);
      right.add(-0.3, rotation, x);
      left.add(0.5, undefined, kernels.transpose(plain, n, r));
      left.add(-0.3, rotation, kernels.transpose(x, n, r));
      const got = right.rounded();
      expect(kernels.transpose(got, n, r)).toEqual(left.rounded());
      if (n < 200) {
        const expected = times(fromFlat(x, n, r), fromFlat(rotation, r, r)).flat();
        got.forEach((value, i) =>
          expect(Math.abs(value - (0.5 * plain[i]! - 0.3 * expected[i]!))).toBeLessThan(FLOAT32),
        );
      }
      left.end();
      right.end();
    }
  });

  it('rotatedSum: several at a time, ended in any order, with other kernels at work between', () => {
    const [r, n] = [8, 700];
    const x = normals(random, r * n);
    const rotation = randomRotation(r, random);
    const alone = kernels.rotatedSum(r, n);
    alone.add(1, rotation, x);
    const expected = alone.rounded();
    alone.end();
    const first = kernels.rotatedSum(r, n);
    first.add(1, rotation, x);
    const second = kernels.rotatedSum(r, n);
    first.end();
    const third = kernels.rotatedSum(64, 4096); // the memory grows, and what was there moves with it
    second.add(1, rotation, x);
    third.add(1, undefined, normals(random, 64 * 4096));
    kernels.transpose(x, r, n);
    kernels.gram(x, r, x, r, n);
    expect(second.rounded()).toEqual(expected);
    third.end();
    second.end();
    const fresh = kernels.rotatedSum(r, n);
    expect(fresh.rounded()).toEqual(new Float32Array(r * n)); // nothing of what lay there before
    fresh.end();
  });

  it('add: target + weight · x', () => {
    for (let length = 0; length < 10; length++) {
      const target = Float64Array.from({ length }, (_, i) => i);
      kernels.add(
        target,
        0.5,
        Float32Array.from({ length }, (_, i) => 4 - i),
      );
      expect([...target]).toEqual(Array.from({ length }, (_, i) => i + 2 - i / 2));
    }
  });

  it('squares: Σ x², not finite where an element is not', () => {
    for (const length of [0, 1, 15, 17, 4095, 4096, 9001]) {
      const x = normals(random, length);
      const expected = x.reduce((sum, value) => sum + value * value, 0);
      expect(Math.abs(kernels.squares(x) - expected)).toBeLessThanOrEqual(1e-12 * length);
      for (const [at, value] of [
        [0, NaN],
        [length - 1, Infinity],
        [length >> 1, -Infinity],
      ] as const)
        // prettier-ignore
        if (length > 0) expect(kernels.squares(x.map((was, i) => (i === at ? value : was)))).not.toBeLessThan(Infinity);
    }
    const largest = Math.fround(3.4e38);
    expect(kernels.squares(new Float32Array(5000).fill(largest)) / (5000 * largest ** 2)).toBeCloseTo(1, 12);
  });

  it('transpose: Xᵀ', () => {
    for (const [rows, columns] of [
      [1, 1],
      [3, 70],
      [33, 5],
      [64, 64],
      [4, 4096],
      [4100, 16],
      [4097, 8],
      [96, 130],
    ] as const) // prettier-ignore
    {
      const x = normals(random, rows * columns);
      expect([...kernels.transpose(x, rows, columns)]).toEqual(flip(fromFlat(x, rows, columns)).flat());
    }
  });

  it('takes arrays that begin anywhere in their buffers, and leaves what is around them', () => {
    const [r, n] = [8, 515];
    const room = new Float32Array(3 + r * n + 5).fill(NaN);
    const x = room.subarray(3, 3 + r * n);
    x.set(normals(random, r * n));
    const sums = new Float64Array(1 + r * n + 1).fill(7);
    const c = randomRotation(r, random);
    kernels.addProduct(sums.subarray(1, 1 + r * n), 1, c, r, x, r, n);
    expect([sums[0], sums.at(-1)]).toEqual([7, 7]);
    expect(sums.every(Number.isFinite)).toBe(true);
    const rotated = kernels.rotatedSum(r, n);
    rotated.add(1, c, x);
    expect(rotated.rounded().every(Number.isFinite)).toBe(true);
    rotated.end();
    expect(kernels.gram(x, r, x, r, n)).toEqual(kernels.gram(x.slice(), r, x.slice(), r, n));
    expect(kernels.transpose(x, r, n)).toEqual(kernels.transpose(x.slice(), r, n));
  });

  it('newtonStep: half of γ X + X⁻ᵀ / γ, how large both are, and the sign of the determinant', () => {
    for (const r of [1, 2, 3, 8, 9, 16, 30, 63, 64])
      for (const scaled of [false, true]) {
        const x = Float64Array.from({ length: r * r }, () => random.normal());
        const next = new Float64Array(r * r);
        const { sign, size, inverseSize, change } = kernels.newtonStep(next, x, r, scaled);
        expect(sign).toBe(orientation(x, r));
        expect(size).toBeCloseTo(norm(x), 10);
        const gamma = scaled ? Math.sqrt(inverseSize / size) : 1;
        const inverse = transpose(
          next.map((value, at) => (2 * value - gamma * x[at]!) * gamma),
          r,
          r,
        );
        expect(Math.abs(norm(inverse) / inverseSize - 1)).toBeLessThan(1e-9);
        multiply(x, inverse, r, r, r).forEach((value, at) =>
          expect(Math.abs(value - (at % (r + 1) === 0 ? 1 : 0))).toBeLessThan(1e-9),
        );
        expect(Math.abs(change / norm(next.map((value, at) => value - x[at]!)) - 1)).toBeLessThan(1e-12);
        expect(kernels.newtonStep(next, new Float64Array(r * r), r, scaled).sign).toBe(0);
      }
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

  it.each([
    [4, 4096],
    [16, 4096],
    [17, 1001],
    [64, 2053],
    [130, 130],
  ])('rotated, %i × %i: the same to 1e-6, sums to 2⁻²⁵ √r of them', (r, n) => {
    const random = Random.of('rotated', r, n);
    const sum = wasmKernels().rotatedSum(r, n);
    const two = new Float64Array(r * n);
    for (let silo = 0; silo < 20; silo++) {
      const x = normals(random, r * n);
      const rotation = randomRotation(r, random);
      sum.add(1 / 20, rotation, x);
      jsKernels.addProduct(two, 1 / 20, rotation, r, x, r, n);
    }
    const one = sum.rounded();
    const off = two.map((value, i) => value - one[i]!);
    expect(off.reduce((most, value) => Math.max(most, Math.abs(value)), 0)).toBeLessThan(1e-6);
    expect(norm(off) / norm(two)).toBeLessThan(2 ** -25 * Math.sqrt(r));
  });

  it.each([
    [1, 40_001],
    [3, 4099],
    [16, 512],
  ])('adds up without a rotation, %i × %i, to the same bits', (r, n) => {
    const random = Random.of('plain', r, n);
    const [one, two] = [wasmKernels().rotatedSum(r, n), jsKernels.rotatedSum(r, n)];
    for (let silo = 0; silo < 5; silo++) {
      const x = normals(random, r * n);
      for (const sum of [one, two]) sum.add(0.3, undefined, x);
    }
    expect(one.rounded()).toEqual(two.rounded());
  });

  it('inverts to the same bits', () => {
    const random = Random.of('invert');
    for (const r of [8, 9, 13, 64]) {
      const x = Float64Array.from({ length: r * r }, () => random.normal());
      const [one, two] = [new Float64Array(r * r), new Float64Array(r * r)];
      const { sign, change } = wasmKernels().newtonStep(one, x, r, false);
      const expected = jsKernels.newtonStep(two, x, r, false);
      expect(sign).toBe(expected.sign);
      expect(change / expected.change).toBeCloseTo(1, 12);
      expect(one).toEqual(two);
    }
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
