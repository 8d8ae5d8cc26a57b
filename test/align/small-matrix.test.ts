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
    const worst = { orthogonality: 0, reconstruction: 0, falling: true };
    for (let trial = 0; trial < 400; trial++) {
      const n = 1 + random.integer(10);
      const x = make(random, n);
      const { u, sigma, v } = svd(x, n);
      for (const q of [u, v]) {
        const gram = multiply(transpose(q, n, n), q, n, n, n);
        worst.orthogonality = Math.max(worst.orthogonality, distanceFromIdentity(gram, n));
      }
      worst.falling &&= sigma.every((value, i) => value >= 0 && value <= (sigma[i - 1] ?? Infinity));
      const scaled = u.map((value, i) => value * sigma[i % n]!);
      const back = multiply(scaled, transpose(v, n, n), n, n, n);
      const scale = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
      // Sums of subnormals may be off by a few of the smallest ones.
      const off = back.reduce((max, value, i) => Math.max(max, Math.abs(value - x[i]!) - 50e-324), 0);
      if (scale > 0) worst.reconstruction = Math.max(worst.reconstruction, off / scale);
    }
    expect(worst.orthogonality).toBeLessThan(1e-13);
    expect(worst.reconstruction).toBeLessThan(1e-13);
    expect(worst.falling).toBe(true);
  });
});

describe('orientation', () => {
  it('tells rotations from reflections', () => {
    expect(orientation(Float64Array.of(0, -1, 1, 0), 2)).toBe(1);
    expect(orientation(Float64Array.of(0, 1, 1, 0), 2)).toBe(-1);
    expect(orientation(Float64Array.of(-1), 1)).toBe(-1);
  });
});
