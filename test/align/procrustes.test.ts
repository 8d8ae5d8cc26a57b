import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nearestOrthogonal, softRotation, type Group } from '../../src/align/procrustes.js';
import { randomRotation } from '../../src/align/random-rotation.js';
import { identity, innerProduct, multiply, orientation, transpose } from '../../src/align/small-matrix.js';
import { Random } from '../../src/random.js';
import { flip, fromFlat, frobenius, minus, times, traceOf, unit } from './support/dense.js';

const gaussian = (random: Random, r: number): Float64Array =>
  Float64Array.from({ length: r * r }, () => random.normal());

/** M = U diag(sigma) Vᵀ with random U, V. */
function withSpectrum(random: Random, sigma: readonly number[]): Float64Array {
  const r = sigma.length;
  const u = randomRotation(r, random);
  const v = randomRotation(r, random);
  const scaled = u.map((value, i) => value * sigma[i % r]!);
  return multiply(scaled, transpose(v, r, r), r, r, r);
}

function expectOrthogonal(x: Float64Array, r: number): void {
  const dense = fromFlat(x, r, r);
  expect(frobenius(minus(times(flip(dense), dense), unit(r)))).toBeLessThan(1e-10);
}

const groups = fc.constantFrom<Group>('SO', 'O');
const ranks = fc.integer({ min: 1, max: 9 });
const scales = fc.constantFrom(1e-70, 1e-12, 1, 1e12, 1e70);

describe('nearestOrthogonal', () => {
  it('is orthogonal to 1e-10, and in SO a rotation, for any M', () => {
    fc.assert(
      fc.property(ranks, groups, scales, fc.nat(), fc.nat(9), (r, group, scale, seed, zeros) => {
        const random = Random.of('any', seed);
        const m = withSpectrum(random, Array.from({ length: r }, (_, i) => (i < zeros ? 0 : scale * random.uniform()))); // prettier-ignore
        const rotation = nearestOrthogonal(m, r, group, 1e-10 * scale);
        expectOrthogonal(rotation, r);
        if (group === 'SO') expect(orientation(rotation, r)).toBe(1);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('is never beaten by another member of the group', () => {
    fc.assert(
      fc.property(ranks, groups, fc.nat(), (r, group, seed) => {
        const random = Random.of('best', seed);
        const m = gaussian(random, r);
        const best = innerProduct(nearestOrthogonal(m, r, group, 1e-12), m);
        for (let i = 0; i < 50; i++) {
          const other = randomRotation(r, random);
          if (group === 'O' && i % 2 === 0) for (let row = 0; row < r; row++) other[row * r]! *= -1;
          expect(innerProduct(other, m)).toBeLessThan(best + 1e-9);
        }
      }),
      { seed: 2 },
    );
  });

  it('is not beaten by a small turn of itself in any plane (a local maximum, hence the global one over SO)', () => {
    const random = Random.of('turns');
    for (const r of [2, 3, 5, 8])
      for (let trial = 0; trial < 20; trial++) {
        const m = gaussian(random, r);
        const best = nearestOrthogonal(m, r, 'SO', 1e-12);
        for (let p = 0; p < r; p++)
          for (let q = p + 1; q < r; q++)
            for (const angle of [-1e-2, 1e-2, Math.PI]) {
              const turn = identity(r);
              turn[p * r + p] = turn[q * r + q] = Math.cos(angle);
              turn[p * r + q] = -Math.sin(angle);
              turn[q * r + p] = Math.sin(angle);
              const turned = multiply(best, turn, r, r, r);
              expect(innerProduct(turned, m)).toBeLessThan(innerProduct(best, m) + 1e-12);
            }
      }
  });

  it('in the plane is the angle that calculus gives: tan θ = (m10 − m01) / (m00 + m11)', () => {
    const random = Random.of('plane');
    for (let i = 0; i < 100; i++) {
      const m = gaussian(random, 2);
      const angle = Math.atan2(m[2]! - m[1]!, m[0]! + m[3]!);
      const expected = [Math.cos(angle), -Math.sin(angle), Math.sin(angle), Math.cos(angle)];
      nearestOrthogonal(m, 2, 'SO', 1e-12).forEach((value, at) =>
        expect(value).toBeCloseTo(expected[at]!, 10),
      );
    }
  });

  it('is I where M says nothing', () => {
    expect(nearestOrthogonal(new Float64Array(9), 3, 'SO', 0)).toEqual(identity(3));
    expect(nearestOrthogonal(new Float64Array(9).fill(1e-9), 3, 'O', 1e-8)).toEqual(identity(3));
    expect([...nearestOrthogonal(Float64Array.of(-1), 1, 'SO', 0)]).toEqual([1]);
    expect([...nearestOrthogonal(Float64Array.of(-1), 1, 'O', 0)]).toEqual([-1]);
  });

  it('where M fixes one direction of three, is the nearest to I of those that map it right', () => {
    const random = Random.of('free');
    for (let trial = 0; trial < 20; trial++) {
      const m = withSpectrum(random, [2, 0, 0]);
      const best = nearestOrthogonal(m, 3, 'SO', 1e-9);
      expect(innerProduct(best, m)).toBeCloseTo(2, 9);
      // The others: turn about the axis that R maps to, by any angle. u = M (any vector) / |…| is that axis.
      const axis = [0, 1, 2].map((row) => m[row * 3]! + m[row * 3 + 1]! * 0.7 + m[row * 3 + 2]! * 0.3);
      const length = Math.hypot(...axis);
      const [x, y, z] = axis.map((value) => value / length) as [number, number, number];
      for (let degrees = 1; degrees < 360; degrees++) {
        const [c, s] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
        const turn = Float64Array.of(
          ...[c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
          ...[y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s],
          ...[z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)],
        );
        const other = multiply(turn, best, 3, 3, 3);
        expect(innerProduct(other, m)).toBeCloseTo(2, 8);
        expect(traceOf(fromFlat(other, 3, 3))).toBeLessThan(traceOf(fromFlat(best, 3, 3)) + 1e-9);
      }
    }
  });

  it('is I for any M that is symmetric and positive, singular or not', () => {
    const random = Random.of('psd');
    for (const sigma of [
      [3, 2, 1],
      [3, 1, 0],
      [1, 0, 0],
      [1, 1, 1],
    ]) {
      // prettier-ignore
      const u = randomRotation(3, random);
      const m = multiply(u.map((value, i) => value * sigma[i % 3]!), transpose(u, 3, 3), 3, 3, 3); // prettier-ignore
      const distance = frobenius(minus(fromFlat(nearestOrthogonal(m, 3, 'SO', 1e-10), 3, 3), unit(3)));
      expect(distance).toBeLessThan(1e-10);
    }
  });

  it('solves 64 × 64', () => {
    const random = Random.of('large');
    const m = gaussian(random, 64);
    const rotation = nearestOrthogonal(m, 64, 'SO', 1e-12);
    expectOrthogonal(rotation, 64);
    expect(orientation(rotation, 64)).toBe(1);
  });
});

describe('softRotation', () => {
  it('is the polar factor: orthogonal, in SO, and Rᵀ_λ X symmetric and positive', () => {
    fc.assert(
      fc.property(ranks, fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(), (r, lambda, seed) => {
        const random = Random.of('soft', seed);
        const rotation = randomRotation(r, random);
        const soft = softRotation(rotation, r, lambda);
        expectOrthogonal(soft, r);
        expect(orientation(soft, r)).toBe(1);
        const x = rotation.map((value, i) => lambda * value + (i % (r + 1) === 0 ? 1 - lambda : 0));
        const p = multiply(transpose(soft, r, r), x, r, r, r);
        const asymmetry = frobenius(minus(fromFlat(p, r, r), flip(fromFlat(p, r, r))));
        expect(asymmetry).toBeLessThan(1e-9);
        for (let trial = 0; trial < 5; trial++) {
          const v = [Array.from({ length: r }, () => random.normal())];
          expect(times(times(v, fromFlat(p, r, r)), flip(v))[0]![0]).toBeGreaterThan(-1e-9);
        }
      }),
      { seed: 3, numRuns: 300 },
    );
  });

  it('goes from I to R', () => {
    const rotation = randomRotation(4, Random.of('ends'));
    expect(softRotation(rotation, 4, 0)).toEqual(identity(4));
    expect(softRotation(rotation, 4, 1)).toEqual(rotation);
  });

  it('leaves alone a plane turned by π, at λ = ½ where both ways are equally near', () => {
    const half = Float64Array.of(-1, 0, 0, 0, -1, 0, 0, 0, 1);
    expect(frobenius(minus(fromFlat(softRotation(half, 3, 0.5), 3, 3), unit(3)))).toBeLessThan(1e-12);
  });

  it('in the plane turns by the angle of (1 − λ) + λ e^{iθ}', () => {
    for (const theta of [-3, -1, 0.3, 2])
      for (const lambda of [0.1, 0.5, 0.9]) {
        const soft = softRotation(Float64Array.of(Math.cos(theta), -Math.sin(theta), Math.sin(theta), Math.cos(theta)), 2, lambda); // prettier-ignore
        const angle = Math.atan2(lambda * Math.sin(theta), 1 - lambda + lambda * Math.cos(theta));
        expect(Math.atan2(soft[2]!, soft[0]!)).toBeCloseTo(angle, 12);
      }
  });
});

describe('randomRotation', () => {
  it.each([1, 2, 3, 4, 8, 16])('is a rotation, r = %d', (r) => {
    const random = Random.of('haar', r);
    for (let i = 0; i < 50; i++) {
      const rotation = randomRotation(r, random);
      expectOrthogonal(rotation, r);
      expect(orientation(rotation, r)).toBe(1);
    }
  });

  // Moments of the trace of a Haar rotation (Pastur & Vasilchuk 2004): E tr = 0, E tr² = 1 and E tr⁴ = 3 for r ≥ 5;
  // SO(3) by Weyl's formula: E tr = 0, E tr² = 1, E tr³ = 1. 20,000 draws; bounds are about 5 standard errors.
  it('has the trace moments of the uniform distribution', () => {
    const draws = 20_000;
    const moments = (r: number): number[] => {
      const random = Random.of('moments', r);
      const traces = Array.from({ length: draws }, () => traceOf(fromFlat(randomRotation(r, random), r, r)));
      return [1, 2, 3, 4].map((power) => traces.reduce((sum, trace) => sum + trace ** power, 0) / draws);
    };
    const three = moments(3);
    expect(Math.abs(three[0]!)).toBeLessThan(0.04);
    expect(Math.abs(three[1]! - 1)).toBeLessThan(0.06);
    expect(Math.abs(three[2]! - 1)).toBeLessThan(0.16);
    const six = moments(6);
    expect(Math.abs(six[0]!)).toBeLessThan(0.04);
    expect(Math.abs(six[1]! - 1)).toBeLessThan(0.06);
    expect(Math.abs(six[3]! - 3)).toBeLessThan(0.4);
  });

  it('in the plane has every angle equally often', () => {
    const random = Random.of('angles');
    const counts = new Array<number>(12).fill(0);
    for (let i = 0; i < 12_000; i++) {
      const [c, , s] = randomRotation(2, random) as unknown as [number, number, number];
      counts[Math.floor(((Math.atan2(s, c) + Math.PI) / (2 * Math.PI)) * 12) % 12]!++;
    }
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});
