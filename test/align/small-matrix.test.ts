import { describe, expect, it } from 'vitest';
import { distanceFromIdentity, multiply, orientation, svd, transpose } from '../../src/align/small-matrix.js';
import { Random } from '../../src/random.js';

const KINDS: Readonly<Record<string, (random: Random, n: number) => Float64Array>> = {
  gaussian: (random, n) => gaussian(random, n),
  sparse: (random, n) => gaussian(random, n).map((value) => (random.uniform() < 0.5 ? 0 : value)),
  'graded rows and columns': (random, n) => {
    const grade = Array.from({ length: n }, () => 10 ** -random.integer(60));
    return gaussian(random, n).map((value, i) => value * grade[i % n]! * grade[Math.floor(i / n)]!);
  },
  'repeated rows': (random, n) => {
    const x = gaussian(random, n);
    for (let i = 1; i < n; i++) if (random.uniform() < 0.5) x.copyWithin(i * n, (i - 1) * n, i * n);
    return x;
  },
  integers: (random, n) => gaussian(random, n).map(Math.round),
  subnormal: (random, n) =>
    gaussian(random, n).map((value) => (random.uniform() < 0.5 ? value : Math.sign(value) * 5e-324)),
  'all subnormal': (random, n) => gaussian(random, n).map((value) => Math.round(value) * 5e-324),
  huge: (random, n) => gaussian(random, n).map((value) => value * 1e150),
};

function gaussian(random: Random, n: number): Float64Array {
  return Float64Array.from({ length: n * n }, () => random.normal());
}

describe.each(Object.entries(KINDS))('svd of %s matrices', (name, make) => {
  it('has orthogonal U and V, falling σ, and gives X back', () => {
    const random = Random.of('svd', name);
    for (let trial = 0; trial < 400; trial++) {
      const n = 1 + random.integer(10);
      const x = make(random, n);
      const { u, sigma, v } = svd(x, n);
      for (const q of [u, v])
        expect(distanceFromIdentity(multiply(transpose(q, n, n), q, n, n, n), n)).toBeLessThan(1e-13);
      expect(sigma).toEqual([...sigma].sort((a, b) => b - a));
      const back = multiply(u.map((value, i) => value * sigma[i % n]!), transpose(v, n, n), n, n, n); // prettier-ignore
      const scale = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      back.forEach((value, i) =>
        expect(Math.abs(value - x[i]!)).toBeLessThanOrEqual(1e-13 * scale + 50e-324),
      );
    }
  });
});

describe('orientation', () => {
  it('tells rotations from reflections', () => {
    expect(orientation(Float64Array.of(0, -1, 1, 0), 2)).toBe(1);
    expect(orientation(Float64Array.of(0, 1, 1, 0), 2)).toBe(-1);
    expect(orientation(Float64Array.of(-1), 1)).toBe(-1);
  });
});
