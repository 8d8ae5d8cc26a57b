import { createHash } from 'node:crypto';

/**
 * Seeded randomness: xoshiro128** (Blackman & Vigna 2018, prng.di.unimi.it), its state the first 128 bits of a SHA-256 over
 * the seed's parts. The same parts give the same stream on every machine; streams of different parts are independent.
 * Not for secrets.
 */
export class Random {
  readonly #seed: string;
  readonly #state: Uint32Array;
  #spareNormal: number | undefined;

  private constructor(seed: string, state: Uint32Array) {
    this.#seed = seed;
    this.#state = state;
  }

  /** A stream named by its parts, e.g. `Random.of(seed, 'round', 3, 'silo', name)`. Numbers must be finite. */
  static of(...parts: readonly (string | number)[]): Random {
    const seed = createHash('sha256').update(JSON.stringify(parts)).digest();
    const state = Uint32Array.from({ length: 4 }, (_, word) => seed.readUInt32LE(4 * word));
    if (state.every((word) => word === 0)) state[0] = 1; // the one state that xoshiro cannot leave
    return new Random(seed.toString('hex'), state);
  }

  /** A stream from a raw 128-bit state, not all zero: for comparison with the reference implementation. */
  static fromState(state: readonly [number, number, number, number]): Random {
    return new Random(`state ${state.join(' ')}`, Uint32Array.from(state));
  }

  /** A stream of its own, given by this stream's seed and the parts; how much was drawn from this one does not matter. */
  derive(...parts: readonly (string | number)[]): Random {
    return Random.of(this.#seed, ...parts);
  }

  /** 32 uniform bits, 0 to 2³² − 1. */
  uint32(): number {
    const s = this.#state as unknown as [number, number, number, number];
    const scrambled = Math.imul(s[1], 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9) >>> 0;
    const shifted = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = (s[3] << 11) | (s[3] >>> 21);
    return result;
  }

  /** Uniform in [min, max), with 53 random bits; [0, 1) by default. */
  uniform(min = 0, max = 1): number {
    const unit = ((this.uint32() >>> 5) * 0x4000000 + (this.uint32() >>> 6)) / 0x20000000000000;
    return min + (max - min) * unit;
  }

  /** Uniform integer in [0, bound), without bias; bound from 1 to 2³². */
  integer(bound: number): number {
    const usable = 0x100000000 - (0x100000000 % bound);
    for (;;) {
      const draw = this.uint32();
      if (draw < usable) return draw % bound;
    }
  }

  /** Normal with the given mean and standard deviation (Marsaglia's polar method). */
  normal(mean = 0, deviation = 1): number {
    const spare = this.#spareNormal;
    if (spare !== undefined) {
      this.#spareNormal = undefined;
      return mean + deviation * spare;
    }
    for (;;) {
      const u = this.uniform(-1, 1);
      const v = this.uniform(-1, 1);
      const s = u * u + v * v;
      if (s >= 1 || s === 0) continue;
      const scale = Math.sqrt((-2 * Math.log(s)) / s);
      this.#spareNormal = v * scale;
      return mean + deviation * u * scale;
    }
  }

  /** Gamma(shape, 1) for shape > 0 (Marsaglia & Tsang 2000): Dirichlet splits are made of it. */
  gamma(shape: number): number {
    if (shape < 1) return this.gamma(shape + 1) * Math.pow(1 - this.uniform(), 1 / shape);
    const d = shape - 1 / 3;
    const c = 1 / Math.sqrt(9 * d);
    for (;;) {
      const x = this.normal();
      const v = (1 + c * x) ** 3;
      if (v > 0 && Math.log(1 - this.uniform()) < 0.5 * x * x + d - d * v + d * Math.log(v)) return d * v;
    }
  }

  /** The same array, its elements in a uniformly random order (Fisher–Yates). */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.integer(last + 1);
      [items[last], items[other]] = [items[other] as T, items[last] as T];
    }
    return items;
  }
}
