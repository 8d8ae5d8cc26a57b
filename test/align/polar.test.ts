import { describe, expect, it } from 'vitest';
import { polarFactor } from '../../src/align/polar.js';
import { multiply, orientation, svd, transpose, type SmallMatrix } from '../../src/align/small-matrix.js';
import { Random } from '../../src/random.js';

const RANKS = [1, 2, 3, 4, 7, 8, 16, 33, 64];

const normal = (random: Random, r: number): SmallMatrix =>
  Float64Array.from({ length: r * r }, () => random.normal());

const farthest = (x: SmallMatrix, y: SmallMatrix): number =>
  x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);

/** U diag(sigma) Vᵀ with random U and V. */
function withSingularValues(random: Random, sigma: readonly number[]): SmallMatrix {
  const r = sigma.length;
  const [u, v] = [svd(normal(random, r), r).u, svd(normal(random, r), r).v];
  return multiply(
    u.map((value, at) => value * sigma[at % r]!),
    transpose(v, r, r),
    r,
    r,
    r,
  );
}

describe('polarFactor', () => {
  const random = Random.of('polar');

  it.each(RANKS)('is U Vᵀ of the singular value decomposition, orthogonal to 1e-13, at rank %i', (r) => {
    for (const scale of [1e-200, 1, 1e200])
      for (const spread of [1, 30, 1e4]) {
        const sigma = Array.from({ length: r }, (_, i) => spread ** -(i / Math.max(1, r - 1)));
        const x = withSingularValues(random, sigma).map((value) => value * scale);
        const polar = polarFactor(x, r, 0)!;
        const { u, v } = svd(x, r);
        expect(farthest(polar.q, multiply(u, transpose(v, r, r), r, r, r))).toBeLessThan(1e-14 * r * spread);
        const square = multiply(transpose(polar.q, r, r), polar.q, r, r, r);
        square.forEach((value, at) =>
          expect(Math.abs(value - (at % (r + 1) === 0 ? 1 : 0))).toBeLessThan(1e-13),
        );
        expect(polar.orientation).toBe(orientation(polar.q, r));
      }
  });

  it('leaves what is nearly singular, or within the tolerance, to the singular value decomposition', () => {
    for (const sigma of [
      [1, 0],
      [1, 1e-7],
      [0, 0],
      [1, 1, 1, 1, 1, 1, 1, 1, 1e-20],
    ])
      // prettier-ignore
      expect(polarFactor(withSingularValues(random, sigma), sigma.length, 0)).toBeUndefined();
    expect(polarFactor(new Float64Array(9), 3, 0)).toBeUndefined();
    expect(polarFactor(withSingularValues(random, [1, 1e-3]), 2, 1e-3)).toBeUndefined();
    expect(polarFactor(withSingularValues(random, [1, 1e-3]), 2, 1e-4)).toBeDefined();
  });

  it('takes an orthogonal matrix for what it is', () => {
    const flip = Float64Array.of(0, 1, 0, 1, 0, 0, 0, 0, 1);
    expect(polarFactor(flip, 3, 0)).toEqual({ q: flip, orientation: -1 });
  });
});
