import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { sumAdapters } from '../../src/align/sum-adapters.js';
import type { Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { memorySource } from '../../src/tensor/encode-file.js';
import type { TensorSource } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import { blend, eckartYoung, frobenius, minus, type Dense } from './support/dense.js';
import {
  adapter,
  exactMean,
  inputOf,
  nearFactors,
  product,
  publishedFactors,
  randomFactors,
} from './support/federation.js';

describe('sumAdapters', () => {
  it.each(['flora', 'fedex'])('%s over rounds: what late silos merge and what is exported is the sum of all', (method) => {
    const random = Random.of('sum', method);
    const shape = { r: 3, in: 20, out: 16 };
    let published: Factors = { ...randomFactors(random, shape), b: new Float32Array(48) };
    let expected: Dense = product(published);
    const versions: TensorSource[] = [];
    for (let round = 1; round <= 3; round++) {
      const start = published;
      const silos = [0, 1, 2].map(() => nearFactors(random, start, 0.3));
      // What the silos' models gained on the base that they had, which had merged all before.
      const gain = minus(exactMean(silos), product(start));
      expected = blend([1, 1], [expected, gain]);
      const result = aggregate(inputOf(start, silos, { method, round }));
      versions.push(result.merge!);
      published = publishedFactors(result.tensors);
    }
    const all = [...versions, adapter([published])];
    const stacked = publishedFactors(sumAdapters(all));
    expect(stacked.r).toBe(3 * 9 + 3);
    expect(frobenius(minus(product(stacked), expected)) / frobenius(expected)).toBeLessThan(2e-6);
    for (const rank of [2, 5]) {
      const best = publishedFactors(sumAdapters(all, rank));
      expect(best.r).toBe(rank);
      const error = frobenius(minus(product(best), expected));
      expect(Math.abs(error - eckartYoung(expected, rank))).toBeLessThan(2e-6 * frobenius(expected));
    }
  });

  it('keeps the dense tensors of the last, and one zero row of a sum that is nothing', () => {
    const random = Random.of('dense');
    const one = randomFactors(random, { r: 2, in: 5, out: 4 });
    const zero = { ...one, b: new Float32Array(8) };
    const head = (value: number): TensorSource => adapter([zero], [{ name: 'head.bias', shape: [1], data: Float32Array.of(value) }]);
    const summed = sumAdapters([head(1), head(2)], 2);
    expect(publishedFactors(summed).r).toBe(1);
    expect(summed.find(({ name }) => name === 'head.bias')!.data).toEqual(Float32Array.of(2));
  });

  it('refuses adapters of other modules or sizes', () => {
    const random = Random.of('other');
    const one = randomFactors(random, { r: 2, in: 5, out: 4 });
    const wide = randomFactors(random, { r: 2, in: 6, out: 4 });
    expect(codeOf(() => sumAdapters([]))).toBe('precondition_failed');
    expect(codeOf(() => sumAdapters([adapter([wide]), adapter([one])]))).toBe('tensor_shape');
    expect(codeOf(() => sumAdapters([memorySource([]), adapter([one])]))).toBe('tensor_name');
  });
}); // prettier-ignore
