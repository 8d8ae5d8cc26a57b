import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorAlgebra, SquaredErrors } from '../../src/align/errors.js';
import { exactErrors } from '../../src/align/exact-errors.js';
import { jsKernels } from '../../src/align/kernels.js';
import { plainRotations, type Rotations } from '../../src/align/method.js';
import type { ModuleData } from '../../src/align/module-data.js';
import { randomRotation } from '../../src/align/random-rotation.js';
import { rotateFactors } from '../../src/align/rotate.js';
import { fromRows, toRows } from '../../src/align/row-factors.js';
import { streamedErrors } from '../../src/align/streamed-errors.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { frobenius, minus } from './support/dense.js';
import {
  exactMean,
  nearFactors,
  product,
  randomFactors,
  scrambled,
  type Shape,
} from './support/federation.js';

function dataOf(silos: readonly Factors[], weights: readonly number[]): ModuleData {
  const [first] = silos;
  const layout = { module: 'm', a: 'a', b: 'b', r: first!.r, in: first!.in, out: first!.out };
  return {
    layout,
    weights,
    previous: toRows(first!),
    shared: { a: true, b: true },
    productsKnown: true,
    factors: (i) => toRows(silos[i]!),
    unchecked: (i) => toRows(silos[i]!),
    rows: (i, side) => (side === 'a' ? toRows(silos[i]!).a : toRows(silos[i]!).bt),
    sent: (i, side) => silos[i]![side],
    hasRowsOfB: false,
    square: (i, side) => silos[i]![side].reduce((sum, value) => sum + value * value, 0),
    release: () => undefined,
  };
}

function federation(
  seed: number,
  count: number,
  shape: Shape,
): { silos: Factors[]; weights: number[]; rotations: Rotations } {
  const random = Random.of('errors', seed);
  const center = randomFactors(random, shape);
  const silos = Array.from({ length: count }, () => scrambled(random, nearFactors(random, center, 0.3)));
  const raw = silos.map(() => random.uniform(0.1, 1));
  const sum = raw.reduce((total, weight) => total + weight, 0);
  const rotations = silos.map((_, i) => (i === 1 ? undefined : randomRotation(shape.r, random)));
  return { silos, weights: raw.map((weight) => weight / sum), rotations };
}

/** ‖B̃Ã − ΔW*‖² of the mean of rotated factors, by full matrices. */
function denseSquare(silos: readonly Factors[], weights: readonly number[], rotations: Rotations): number {
  const rotated = silos.map((factors, i) => (rotations[i] ? rotateFactors(factors, rotations[i]) : factors));
  const mean = (pick: (factors: Factors) => Float32Array): Float32Array =>
    pick(rotated[0]!).map((_, at) =>
      rotated.reduce((sum, factors, i) => sum + weights[i]! * pick(factors)[at]!, 0),
    );
  const published = { ...silos[0]!, a: mean(({ a }) => a), b: mean(({ b }) => b) };
  return frobenius(minus(product(published), exactMean(silos, [...weights]))) ** 2;
}

/** Errors of the mean of rotated factors. */
const errorsOf = (algebra: ErrorAlgebra, rotations: Rotations): SquaredErrors =>
  algebra.errors({ factors: algebra.mean(rotations), rotations });

const shapes = fc.record({
  r: fc.integer({ min: 1, max: 5 }),
  in: fc.integer({ min: 1, max: 12 }),
  out: fc.integer({ min: 1, max: 9 }),
});

/** Errors of a few 1e-7 in float32 factors, squared differences relative to ‖ΔW*‖² and e. */
const CLOSE = 2e-5;

describe('exactErrors', () => {
  it('equals full matrices, for rotated and plain averages and for ΔW*', () => {
    fc.assert(
      fc.property(shapes, fc.integer({ min: 1, max: 7 }), fc.nat(), (shape, count, seed) => {
        const { silos, weights, rotations } = federation(seed, count, shape);
        const errors = errorsOf(exactErrors(jsKernels, dataOf(silos, weights)), rotations);
        const target = frobenius(exactMean(silos, weights)) ** 2;
        expect(Math.abs(errors.target - target)).toBeLessThan(CLOSE * target);
        expect(Math.abs(errors.method - denseSquare(silos, weights, rotations))).toBeLessThan(CLOSE * target);
        expect(Math.abs(errors.fedit - denseSquare(silos, weights, plainRotations(count)))).toBeLessThan(
          CLOSE * target,
        );
      }),
      { seed: 1 },
    );
  });

  it('is zero to 1e-13 for identical silos, where ‖B̃Ã‖² − 2⟨…⟩ + ‖ΔW*‖² would leave 1e-8', () => {
    const silo = randomFactors(Random.of('same'), { r: 4, in: 30, out: 20 });
    const { method, target } = errorsOf(
      exactErrors(jsKernels, dataOf([silo, silo, silo], [0.2, 0.3, 0.5])),
      plainRotations(3),
    );
    expect(Math.sqrt(method / target)).toBeLessThan(1e-13);
  });
});

describe('streamedErrors', () => {
  const shape = { r: 3, in: 20, out: 15 };

  it('publishes the same mean as exactErrors', () => {
    const { silos, weights, rotations } = federation(3, 6, shape);
    const data = dataOf(silos, weights);
    const [exact, streamed] = both(data);
    expect(fromRows(streamed.mean(rotations))).toEqual(fromRows(exact.mean(rotations)));
  });

  it('makes the same choices', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { silos, weights, rotations } = federation(seed, 6, shape);
      const random = Random.of('choices', seed);
      const others = silos.map(() => randomRotation(3, random));
      const [exact, streamed] = both(dataOf(silos, weights));
      const candidates = [plainRotations(6), rotations, others];
      expect(streamed.leastError(candidates)).toBe(exact.leastError(candidates));
    }
  });

  it('gives the exact difference between method and plain averaging, whatever the sketch', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { silos, weights, rotations } = federation(seed, 6, shape);
      const [exact, streamed] = both(dataOf(silos, weights));
      const e = errorsOf(exact, rotations);
      const s = errorsOf(streamed, rotations);
      expect(Math.abs(s.method - s.fedit - (e.method - e.fedit))).toBeLessThan(1e-6 * e.target);
      expect(Math.abs(s.method - s.target - (e.method - e.target))).toBeLessThan(1e-6 * e.target);
    }
  });

  it('is unbiased: the mean of 400 sketches is the exact error to 5 standard errors', () => {
    const { silos, weights, rotations } = federation(5, 6, shape);
    const data = dataOf(silos, weights);
    const exact = errorsOf(exactErrors(jsKernels, data), rotations);
    const estimates = Array.from(
      { length: 400 },
      (_, i) => errorsOf(streamedErrors(jsKernels, data, Random.of('sketch', i)), rotations).method,
    );
    const mean = estimates.reduce((sum, value) => sum + value, 0) / estimates.length;
    const deviation = Math.sqrt(
      estimates.reduce((sum, value) => sum + (value - mean) ** 2, 0) / estimates.length,
    );
    expect(deviation / exact.method).toBeLessThan(0.25); // √(2 / 32), reached by a rank-1 error
    expect(Math.abs(mean - exact.method)).toBeLessThan((5 * deviation) / 20);
  });

  function both(data: ModuleData): [ErrorAlgebra, ErrorAlgebra] {
    return [exactErrors(jsKernels, data), streamedErrors(jsKernels, data, Random.of('streamed'))];
  }
});
