import { describe, expect, it } from 'vitest';
import { jsKernels } from '../../src/align/kernels.js';
import { Random } from '../../src/random.js';
import { flip, fromFlat, times } from './support/dense.js';
import { normals } from './support/federation.js';

const SIZES = [1, 2, 3, 4, 5, 8, 9];
const LENGTHS = [1, 2, 7, 33];

/** Every product of a float32 pair is exact in float64: only the order of some 33 sums differs. */
const TOLERANCE = 1e-13;

describe('kernels, against three loops', () => {
  const random = Random.of('kernels');
  const shapes = SIZES.flatMap((m) => SIZES.flatMap((p) => LENGTHS.map((n) => ({ m, p, n }))));

  it('gram: X Yᵀ', () => {
    for (const { m, p, n } of shapes) {
      const x = normals(random, m * n);
      const y = normals(random, p * n);
      const expected = times(fromFlat(x, m, n), flip(fromFlat(y, p, n))).flat();
      const got = jsKernels.gram(x, m, y, p, n);
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
      jsKernels.addProduct(target, -0.3, c, p, x, m, n);
      const expected = times(flip(fromFlat(c, m, p)), fromFlat(x, m, n)).flat();
      target.forEach((value, i) =>
        expect(Math.abs(value - (before[i]! - 0.3 * expected[i]!))).toBeLessThan(TOLERANCE),
      );
    }
  });

  it('add: target + weight · x', () => {
    const target = Float64Array.of(1, 2, 3);
    jsKernels.add(target, 0.5, Float32Array.of(4, -2, 0));
    expect([...target]).toEqual([3, 1, 3]);
  });
});
