import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { rotateFactors } from '../../src/align/rotate.js';
import { randomRotation } from '../../src/align/random-rotation.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { federation, federations, kinds, rounding, shapes } from './support/degenerate.js';
import { frobenius, minus } from './support/dense.js';
import {
  denseError,
  exactMean,
  inputOf,
  nearFactors,
  product,
  publishedFactors,
  randomFactors,
  scrambled,
} from './support/federation.js';

const rounds = fc.integer({ min: 1, max: 4 });
const lambdas = fc.constantFrom<number | 'auto'>('auto', 0, 0.5, 1);

describe('fedrot, on random and degenerate inputs', () => {
  it('gives finite and repeatable results', () => {
    fc.assert(
      fc.property(
        federations,
        rounds,
        lambdas,
        fc.boolean(),
        ({ previous, silos }, round, lambda, mirror) => {
          const options = { lambda, reflections: mirror && (lambda === 'auto' || lambda === 1) };
          const run = (): ReturnType<typeof aggregate> =>
            aggregate(inputOf(previous, silos, { round, options }));
          const first = run();
          for (const { data } of first.tensors) expect(data.every(Number.isFinite)).toBe(true);
          expect(run()).toEqual(first);
        },
      ),
      { seed: 1, numRuns: 400 },
    );
  });

  it('with λ auto is never above plain averaging, as reported and by full matrices', () => {
    fc.assert(
      fc.property(federations, rounds, ({ previous, silos }, round) => {
        const { tensors, diagnostics } = aggregate(inputOf(previous, silos, { round }));
        const { aggregationError: own, aggregationErrorFedit: plain } = diagnostics;
        if (own === null || plain === null) return;
        expect(own).toBeLessThanOrEqual(plain);
        const target = frobenius(exactMean(silos));
        const noise = Math.max(...silos.map(rounding)) / target;
        const fedit = publishedFactors(
          aggregate(inputOf(previous, silos, { round, method: 'fedit' })).tensors,
        );
        const dense = denseError(publishedFactors(tensors), silos);
        expect(dense).toBeLessThanOrEqual(denseError(fedit, silos) + noise);
        expect(Math.abs(dense - own)).toBeLessThan(noise + 1e-6 * own);
      }),
      { seed: 2, numRuns: 400 },
    );
  });

  it('returns the product of one silo alone, or of identical ones', () => {
    fc.assert(
      fc.property(
        shapes,
        kinds,
        kinds,
        fc.integer({ min: 1, max: 5 }),
        rounds,
        lambdas,
        fc.nat(),
        (shape, kind, reference, count, round, lambda, seed) => {
          const { previous, silos } = federation(shape, [kind], reference, 1, seed);
          const same = Array.from({ length: count }, () => silos[0]!);
          const { tensors } = aggregate(inputOf(previous, same, { round, options: { lambda } }));
          const distance = frobenius(minus(product(publishedFactors(tensors)), product(silos[0]!)));
          expect(distance).toBeLessThanOrEqual(2 * rounding(silos[0]!));
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  it('with λ = 1 publishes the same product whatever private rotation a silo applies', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 2, max: 5 }),
        fc.nat(),
        (r, count, round, seed) => {
          const random = Random.of('private', seed);
          const previous = randomFactors(random, { r, in: 24, out: 20 });
          const silos = Array.from({ length: count }, () => nearFactors(random, previous, 0.2));
          const turned = silos.map((silo) => rotateFactors(silo, randomRotation(r, random)));
          const publish = (updates: Factors[]): Factors =>
            publishedFactors(
              aggregate(inputOf(previous, updates, { round, options: { lambda: 1 } })).tensors,
            );
          const expected = product(publish(silos));
          expect(frobenius(minus(product(publish(turned)), expected))).toBeLessThan(
            1e-5 * frobenius(expected),
          );
        },
      ),
      { seed: 4 },
    );
  });

  it('keeps norms: max(‖Ã‖, ‖B̃‖) ≤ √N × the largest input norm', () => {
    fc.assert(
      fc.property(federations, rounds, lambdas, ({ previous, silos }, round, lambda) => {
        const { a, b } = publishedFactors(
          aggregate(inputOf(previous, silos, { round, options: { lambda } })).tensors,
        );
        const bound = Math.sqrt(silos.length) * Math.max(...silos.flatMap((silo) => [Math.hypot(...silo.a), Math.hypot(...silo.b)])); // prettier-ignore
        expect(Math.max(Math.hypot(...a), Math.hypot(...b))).toBeLessThanOrEqual(bound * (1 + 1e-6));
      }),
      { seed: 5 },
    );
  });

  it('is never above plain averaging with more silos than pairs are compared for (N · r > 256)', () => {
    for (let seed = 0; seed < 6; seed++) {
      const random = Random.of('many', seed);
      const previous = randomFactors(random, { r: 4, in: 12, out: 10 });
      const turn = seed % 2 === 0 ? scrambled : (_: Random, factors: Factors): Factors => factors;
      const silos = Array.from({ length: 70 }, () =>
        turn(random, nearFactors(random, previous, 0.1 + 0.2 * seed)),
      );
      const { tensors, diagnostics } = aggregate(inputOf(previous, silos, { round: 2 + seed }));
      const fedit = aggregate(inputOf(previous, silos, { round: 2 + seed, method: 'fedit' }));
      expect(diagnostics.aggregationError).toBeLessThanOrEqual(diagnostics.aggregationErrorFedit!);
      const dense = denseError(publishedFactors(tensors), silos);
      expect(dense).toBeLessThanOrEqual(denseError(publishedFactors(fedit.tensors), silos) + 1e-7);
      // A sketch of 32 columns: e to some 10 %, here of a rank-10 error.
      expect(Math.abs(diagnostics.aggregationError! / dense - 1)).toBeLessThan(0.3);
    }
  });
});
