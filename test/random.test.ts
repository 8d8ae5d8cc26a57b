import { describe, expect, it } from 'vitest';
import { Random } from '../src/random.js';

describe('Random', () => {
  it('follows xoshiro128** (a big-integer transcription of the reference C code)', () => {
    const mask = 0xffffffffn;
    const rotate = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & mask;
    let [s0, s1, s2, s3] = [1n, 2n, 3n, 4n];
    const random = Random.fromState([1, 2, 3, 4]);
    const drawn: number[] = [];
    for (let i = 0; i < 5000; i++) {
      const expected = (rotate((s1 * 5n) & mask, 7n) * 9n) & mask;
      const shifted = (s1 << 9n) & mask;
      s2 ^= s0;
      s3 ^= s1;
      s1 ^= s2;
      s0 ^= s3;
      s2 ^= shifted;
      s3 = rotate(s3, 11n);
      drawn.push(random.uint32());
      expect(drawn[i]).toBe(Number(expected));
    }
    expect(drawn.slice(0, 4)).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('repeats by its parts, differs by any of them, and derives without drawing', () => {
    const draw = (random: Random): number[] => Array.from({ length: 4 }, () => random.uint32());
    expect(draw(Random.of(1, 'a'))).toEqual(draw(Random.of(1, 'a')));
    expect(draw(Random.of(1, 'a'))).not.toEqual(draw(Random.of(1, 'b')));
    expect(draw(Random.of('1', 'a'))).not.toEqual(draw(Random.of(1, 'a')));
    expect(draw(Random.of(1, 'a', 'b'))).not.toEqual(draw(Random.of(1, 'ab')));
    const used = Random.of(7);
    const derived = draw(used.derive('x'));
    used.normal();
    expect(draw(used.derive('x'))).toEqual(derived);
    expect(draw(used.derive('y'))).not.toEqual(derived);
  });

  // 200,000 draws: the standard error of a mean is σ / 447; the bounds are 5 of them.
  const N = 200_000;
  const moments = (draw: () => number): { mean: number; variance: number } => {
    const values = Array.from({ length: N }, draw);
    const mean = values.reduce((sum, x) => sum + x, 0) / N;
    return { mean, variance: values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / N };
  };

  it('is uniform in [min, max)', () => {
    const random = Random.of(2);
    const { mean, variance } = moments(() => random.uniform(-1, 3));
    expect(Math.abs(mean - 1)).toBeLessThan(0.013);
    expect(Math.abs(variance - 16 / 12)).toBeLessThan(0.02);
    for (let i = 0; i < 1000; i++) {
      const x = random.uniform();
      expect(x >= 0 && x < 1).toBe(true);
    }
  });

  it('is normal: mean, variance, fourth moment', () => {
    const random = Random.of(3);
    const { mean, variance } = moments(() => random.normal());
    expect(Math.abs(mean)).toBeLessThan(0.012);
    expect(Math.abs(variance - 1)).toBeLessThan(0.016);
    const fourth = moments(() => random.normal(0, 2) ** 4 / 16).mean;
    expect(Math.abs(fourth - 3)).toBeLessThan(0.12);
  });

  it.each([0.1, 0.5, 1, 4])('gamma(%d) has mean and variance equal to its shape', (shape) => {
    const random = Random.of(4, shape);
    const { mean, variance } = moments(() => random.gamma(shape));
    expect(Math.abs(mean - shape)).toBeLessThan(5 * Math.sqrt(shape / N));
    expect(Math.abs(variance / shape - 1)).toBeLessThan(0.1);
  });

  it('draws integers below a bound evenly', () => {
    const random = Random.of(5);
    const counts = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(5 * 93);
  });

  it('shuffles into every order, evenly', () => {
    const random = Random.of(6);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const order = random.shuffle(['a', 'b', 'c', 'd']).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(160);
  });
});
