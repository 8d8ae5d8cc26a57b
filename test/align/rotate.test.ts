import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { randomRotation } from '../../src/align/random-rotation.js';
import { rotateFactors, rotationTo } from '../../src/align/rotate.js';
import { distanceFromIdentity } from '../../src/align/small-matrix.js';
import { Random } from '../../src/random.js';
import { product, randomFactors, relativeDistance } from './support/federation.js';

describe('rotateFactors', () => {
  it('leaves B · A unchanged, at any scale and any rank', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 20 }),
        fc.constantFrom(1e-12, 1, 1e12),
        fc.nat(),
        (r, inputs, out, scale, seed) => {
          const random = Random.of('rotate', seed);
          const factors = randomFactors(random, { r, in: inputs, out }, scale);
          const rotated = rotateFactors(factors, randomRotation(r, random));
          // float32 rounds every factor to 6e-8; the product of r of them, where they cancel, a little more.
          const own = product(factors);
          const size = Math.hypot(...factors.a) * Math.hypot(...factors.b);
          expect(relativeDistance(product(rotated), own) * Math.hypot(...own.flat())).toBeLessThan(
            1.2e-7 * size,
          );
        },
      ),
      { seed: 1 },
    );
  });

  it('is A ← Rᵀ A, B ← B R', () => {
    const quarter = Float64Array.of(0, -1, 1, 0);
    const factors = { r: 2, in: 3, out: 1, a: Float32Array.of(1, 2, 3, 4, 5, 6), b: Float32Array.of(7, 8) };
    const { a, b } = rotateFactors(factors, quarter);
    expect([...a]).toEqual([4, 5, 6, -1, -2, -3]);
    expect([...b]).toEqual([8, -7]);
  });
});

describe('rotationTo', () => {
  it.each(['a', 'b'] as const)('undoes a rotation of the reference, by factor %s', (side) => {
    const random = Random.of('undo', side);
    for (let i = 0; i < 20; i++) {
      const reference = randomFactors(random, { r: 4, in: 30, out: 20 });
      const moved = rotateFactors(reference, randomRotation(4, random));
      const back = rotateFactors(moved, rotationTo(moved, reference, { side, lambda: 1 }));
      back.a.forEach((value, at) => expect(Math.abs(value - reference.a[at]!)).toBeLessThan(2e-6));
      back.b.forEach((value, at) => expect(Math.abs(value - reference.b[at]!)).toBeLessThan(2e-6));
    }
  });

  it('is I against a reference of zeros, or for factors of zeros', () => {
    const factors = randomFactors(Random.of('zero'), { r: 3, in: 5, out: 4 });
    const zero = { ...factors, a: new Float32Array(15), b: new Float32Array(12) };
    for (const side of ['a', 'b'] as const) {
      expect(distanceFromIdentity(rotationTo(factors, zero, { side, lambda: 1 }), 3)).toBe(0);
      expect(distanceFromIdentity(rotationTo(zero, factors, { side, lambda: 0.5 }), 3)).toBe(0);
    }
  });
});
