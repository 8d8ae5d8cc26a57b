import fc from 'fast-check';
import type { Factors } from '../../../src/align/types.js';
import { Random } from '../../../src/random.js';
import { nearFactors, randomFactors, scrambled, type Shape } from './federation.js';

/** What a silo may send besides plain random factors. */
export const DEGENERATE: Readonly<Record<string, (factors: Factors, random: Random) => Factors>> = {
  plain: (factors) => factors,
  scrambled: (factors, random) => scrambled(random, factors),
  'zero B': (factors) => ({ ...factors, b: factors.b.map(() => 0) }),
  'zero A': (factors) => ({ ...factors, a: factors.a.map(() => 0) }),
  'equal rows of A': (factors) => ({ ...factors, a: factors.a.map((_, i) => factors.a[i % factors.in]!) }),
  'one column of B': (factors) => ({
    ...factors,
    b: factors.b.map((value, i) => (i % factors.r === 0 ? value : 0)),
  }),
  'huge A, tiny B': (factors) => ({ ...factors, a: factors.a.map((v) => v * 1e18), b: factors.b.map((v) => v * 1e-18) }), // prettier-ignore
  subnormal: (factors) => ({ ...factors, b: factors.b.map((v) => v * 1e-42) }),
};

/** r may be larger than in or out. */
export const shapes = fc.record({
  r: fc.integer({ min: 1, max: 6 }),
  in: fc.integer({ min: 1, max: 10 }),
  out: fc.integer({ min: 1, max: 10 }),
});
export const kinds = fc.constantFrom(...Object.keys(DEGENERATE));
export const scales = fc.constantFrom(1, 1e-15, 1e15);

export interface Federation {
  readonly previous: Factors;
  readonly silos: Factors[];
}

export function federation(
  shape: Shape,
  siloKinds: readonly string[],
  previousKind: string,
  scale: number,
  seed: number,
): Federation {
  const random = Random.of('federation', seed);
  const center = randomFactors(random, shape, scale);
  return {
    previous: DEGENERATE[previousKind]!(center, random),
    silos: siloKinds.map((kind) => DEGENERATE[kind]!(nearFactors(random, center, 0.3 * scale), random)),
  };
}

export const federations = fc
  .tuple(shapes, fc.array(kinds, { minLength: 1, maxLength: 6 }), kinds, scales, fc.nat())
  .map((args) => federation(...args));

export const normA = ({ a }: Factors): number => Math.hypot(...a);
export const normB = ({ b }: Factors): number => Math.hypot(...b);

/** What rounding the factors to float32 may move B · A by: 6e-8 of each element, or half the least subnormal. */
export const rounding = (factors: Factors): number =>
  2e-7 * normA(factors) * normB(factors) + 1e-44 * (normA(factors) + normB(factors));
