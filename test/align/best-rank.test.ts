import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bestRank, type ProductSum } from '../../src/align/best-rank.js';
import { jsKernels } from '../../src/align/kernels.js';
import { pivotedCholesky } from '../../src/align/product-spectrum.js';
import { fromRows, toRows } from '../../src/align/row-factors.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import {
  blend,
  eckartYoung,
  flip,
  frobenius,
  fromFlat,
  minus,
  singularValues,
  times,
} from './support/dense.js';
import { nearFactors, product, randomFactors } from './support/federation.js';

const sumOf = (terms: readonly Factors[], weights: readonly number[]): ProductSum => ({
  in: terms[0]!.in,
  out: terms[0]!.out,
  weights,
  rows: terms.reduce((total, { r }) => total + r, 0),
  factors: (i) => toRows(terms[i]!),
});

describe('bestRank', () => {
  it('is at the Eckart–Young bound, balanced and in falling order, of terms of any ranks', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 8 }), fc.nat(), (ranks, rank, seed) => {
        const random = Random.of('best', seed);
        const terms = ranks.map((r) => randomFactors(random, { r, in: 12, out: 9 }));
        const weights = ranks.map(() => random.uniform(0, 2));
        const best = fromRows(bestRank(jsKernels, sumOf(terms, weights), rank));
        const target = blend(weights, terms.map(product));
        const error = frobenius(minus(product(best), target));
        expect(Math.abs(error - eckartYoung(target, rank))).toBeLessThan(1e-6 * frobenius(target));
        const squares = fromFlat(best.a, best.r, best.in).map((row) => frobenius([row]) ** 2);
        const columns = flip(fromFlat(best.b, best.out, best.r)).map((row) => frobenius([row]) ** 2);
        const sigma = singularValues(target);
        squares.forEach((square, j) => {
          expect(Math.abs(square - sigma[j]!)).toBeLessThan(1e-6 * sigma[0]!);
          expect(Math.abs(columns[j]! - sigma[j]!)).toBeLessThan(1e-6 * sigma[0]!);
        });
      }),
      { seed: 1 },
    );
  }); // prettier-ignore

  it.each([
    ['near a common one', 0.5],
    ['of nothing in common', 0],
  ])('merged in groups overshoots the bound by less than 1e-3, of silos %s', (_, common) => {
    for (let seed = 0; seed < 3; seed++) {
      const random = Random.of('merged', seed);
      const center = randomFactors(random, { r: 4, in: 60, out: 50 });
      const terms = Array.from({ length: 100 }, () =>
        common ? nearFactors(random, center, common) : randomFactors(random, center),
      );
      const weights = terms.map(() => random.uniform());
      const target = blend(weights, terms.map(product));
      const error = frobenius(minus(product(fromRows(bestRank(jsKernels, sumOf(terms, weights), 4))), target));
      const bound = eckartYoung(target, 4);
      expect(error / bound - 1).toBeLessThan(1e-3);
      expect(error / bound - 1).toBeGreaterThan(-1e-6);
    }
  }); // prettier-ignore

  it('has the rank of what it is given where that is less, 0 of a sum that cancels', () => {
    const random = Random.of('rank');
    const one = randomFactors(random, { r: 2, in: 7, out: 6 });
    expect(bestRank(jsKernels, sumOf([one, one, one], [1, 2, 3]), 5).r).toBe(2);
    const opposite = { ...one, b: one.b.map((value) => -value) };
    expect(bestRank(jsKernels, sumOf([one, opposite], [1, 1]), 2).r).toBe(0);
    expect(bestRank(jsKernels, sumOf([{ ...one, b: new Float32Array(12) }], [1]), 2).r).toBe(0);
  });

  it('does not lose a small silo beside one whose factors are out of balance by 1e36', () => {
    const random = Random.of('balance');
    const terms = [0, 1, 2].map(() => randomFactors(random, { r: 2, in: 9, out: 8 }));
    const skewed = terms.map((factors, i) => {
      const by = [1e18, 1e-18, 1][i]!;
      return { ...factors, a: factors.a.map((v) => v * by), b: factors.b.map((v) => v / by) };
    });
    const target = blend([1, 1, 1], skewed.map(product));
    const best = fromRows(bestRank(jsKernels, sumOf(skewed, [1, 1, 1]), 6));
    expect(frobenius(minus(product(best), target)) / frobenius(target)).toBeLessThan(1e-6);
  });
});

describe('pivotedCholesky', () => {
  it('gives G = L Lᵀ with as many columns as G has rank', () => {
    const random = Random.of('cholesky');
    for (const [m, rank] of [[5, 5], [9, 4], [6, 1]] as const) {
      const x = Array.from({ length: m }, () => Array.from({ length: rank }, () => random.normal()));
      const gram = times(x, flip(x));
      const { l, rank: got } = pivotedCholesky(Float64Array.from(gram.flat()), m);
      expect(got).toBe(rank);
      const dense = fromFlat(l, m, rank);
      expect(frobenius(minus(times(dense, flip(dense)), gram))).toBeLessThan(1e-13 * frobenius(gram));
    }
    expect(pivotedCholesky(new Float64Array(9), 3).rank).toBe(0);
  }); // prettier-ignore
});
