import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregate, combine } from '../../src/align/aggregate.js';
import { checkUpdate, expectedUpdate } from '../../src/align/expected-update.js';
import { fitRank, resizeRows } from '../../src/align/fit-rank.js';
import { instructions, METHODS } from '../../src/align/methods.js';
import type { Factors, WeightedUpdate } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { tensorInfos } from '../../src/tensor/encode-file.js';
import { readTensors } from '../../src/tensor/read-tensors.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import { blend, eckartYoung, frobenius, fromFlat, minus } from './support/dense.js';
import {
  adapter,
  exactMean,
  inputOf,
  mergedFactors,
  product,
  publishedFactors,
  randomFactors,
  updatesOf,
} from './support/federation.js';

const SHAPE = { r: 6, in: 14, out: 11 };
const RANKS = [2, 6, 1, 4];

const tensorsOf = (factors: Factors): NamedTensor[] =>
  readTensors(adapter([factors], [{ name: 'head.bias', shape: [2], data: Float32Array.of(1, 2) }]));

const mixed = METHODS.filter(({ allows }) => allows.ownRank !== undefined).map(({ name }) => name);
const uniform = METHODS.filter(({ allows }) => allows.ownRank === undefined).map(({ name }) => name);

function silosOf(seed: number): { previous: Factors; silos: Factors[]; updates: WeightedUpdate[] } {
  const random = Random.of('mixed', seed);
  const previous = randomFactors(random, SHAPE);
  const silos = RANKS.map((r) => randomFactors(random, { ...SHAPE, r }));
  return { previous, silos, updates: updatesOf(silos, [1, 2, 3, 4]) };
}

describe('silos of different ranks', () => {
  it('are taken by the methods that say so, and refused by the others', () => {
    expect(mixed).toEqual([
      'fedrot',
      'fedrot-exact',
      'fedrot-consensus',
      'flexlora',
      'flora',
      'fedex',
      'hetlora',
    ]);
    for (const method of uniform) {
      const { previous, silos } = silosOf(1);
      const run = (): unknown => aggregate(inputOf(previous, silos, { method }));
      expect(['tensor_shape', 'tensor_name']).toContain(codeOf(run));
    }
  });

  it.each(mixed)('%s: a smaller rank counts as zeros in the rest', (method) => {
    const { previous, silos, updates } = silosOf(2);
    const filled = updatesOf(silos.map((silo) => resizeRows(silo, SHAPE.r)), [1, 2, 3, 4]); // prettier-ignore
    const own = aggregate(inputOf(previous, [], { method, updates }));
    const same = aggregate(inputOf(previous, [], { method, updates: filled }));
    expect(own.tensors).toEqual(same.tensors);
    expect(own.diagnostics).toEqual(same.diagnostics);
    expect(publishedFactors(own.tensors).r).toBe(SHAPE.r);
    // What combines without measuring may go another way through the updates.
    for (const given of [updates, filled])
      expect(combine(inputOf(previous, [], { method, updates: given })).tensors).toEqual(own.tensors);
  });

  it.each([2, 3])(
    'fedrot: so do factors as large as the kernels in WebAssembly take them, in round %i',
    (round) => {
      const [shape, random] = [{ r: 16, in: 600, out: 701 }, Random.of('large')];
      const previous = randomFactors(random, shape);
      const silos = [16, 8, 3].map((r) => randomFactors(random, { ...shape, r }));
      const input = (given: Factors[]): ReturnType<typeof inputOf> =>
        inputOf(previous, [], { round, updates: updatesOf(given, [1, 2, 3]) });
      const filled = silos.map((silo) => resizeRows(silo, shape.r));
      const own = combine(input(silos));
      expect(own.tensors).toEqual(combine(input(filled)).tensors);
      expect(own.tensors).toEqual(aggregate(input(silos)).tensors);
    },
  );

  it('stay exact: flora and fedex reproduce ΔW*, exact and flexlora are at the bound', () => {
    const { previous, silos, updates } = silosOf(3);
    const target = exactMean(silos, [1, 2, 3, 4]);
    for (const method of ['flora', 'fedex']) {
      const { tensors, merge } = aggregate(inputOf(previous, [], { method, updates }));
      const gained = blend([1, 1], [product(publishedFactors(tensors)), product(mergedFactors(merge)!)]);
      expect(frobenius(minus(gained, target)) / frobenius(target)).toBeLessThan(1e-6);
    }
    for (const method of ['fedrot-exact', 'flexlora']) {
      const { tensors } = aggregate(inputOf(previous, [], { method, updates }));
      const error = frobenius(minus(product(publishedFactors(tensors)), target));
      expect(Math.abs(error - eckartYoung(target, SHAPE.r))).toBeLessThan(1e-6 * frobenius(target));
    }
  });

  it('what flexlora publishes is, cut to its first rows, the best of that rank', () => {
    const { previous, silos, updates } = silosOf(4);
    const target = exactMean(silos, [1, 2, 3, 4]);
    const { tensors } = aggregate(inputOf(previous, [], { method: 'flexlora', updates }));
    for (const r of [1, 2, 4, 6]) {
      const cut = publishedFactors(fitRank(tensors, r, 'rows'));
      const error = frobenius(minus(product(cut), target));
      expect(Math.abs(error - eckartYoung(target, r))).toBeLessThan(1e-6 * frobenius(target));
    }
  });

  it('hetlora with weights by norm: p_i ∝ ‖B_i A_i‖', () => {
    const { previous, silos, updates } = silosOf(5);
    const norms = silos.map((silo) => frobenius(product(silo)));
    const sum = norms.reduce((total, norm) => total + norm, 0);
    const { tensors } = aggregate(
      inputOf(previous, [], { method: 'hetlora', options: { weights: 'norm' }, updates }),
    );
    const expected = blend(
      norms.map((norm) => norm / sum),
      silos.map((silo) => fromFlat(resizeRows(silo, SHAPE.r).a, SHAPE.r, SHAPE.in)),
    ).flat();
    publishedFactors(tensors).a.forEach((value, i) => expect(value).toBeCloseTo(expected[i]!, 5));
  });
});

describe('fitRank', () => {
  it('rows: the first rows of A and columns of B; dense tensors as they are', () => {
    const factors = { r: 2, in: 2, out: 2, a: Float32Array.of(1, 2, 3, 4), b: Float32Array.of(5, 6, 7, 8) };
    const fitted = fitRank(tensorsOf(factors), 1, 'rows');
    expect(publishedFactors(fitted)).toEqual({ r: 1, in: 2, out: 2, a: Float32Array.of(1, 2), b: Float32Array.of(5, 7) });
    expect(fitted.find(({ name }) => name === 'head.bias')!.data).toEqual(Float32Array.of(1, 2));
  }); // prettier-ignore

  it('svd: the best approximation, at the rank or below', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.nat(), (r, seed) => {
        const factors = randomFactors(Random.of('fit', seed), SHAPE);
        const fitted = publishedFactors(fitRank(tensorsOf(factors), r, 'svd'));
        expect(fitted.r).toBe(Math.min(r, SHAPE.r));
        const error = frobenius(minus(product(fitted), product(factors)));
        expect(Math.abs(error - eckartYoung(product(factors), r))).toBeLessThan(1e-6 * frobenius(product(factors)));
      }),
      { seed: 1 },
    );
  }); // prettier-ignore

  it('svd of B = 0 keeps rows of A, so that there is something to train', () => {
    const factors = { ...randomFactors(Random.of('start'), SHAPE), b: new Float32Array(66) };
    const fitted = publishedFactors(fitRank(tensorsOf(factors), 2, 'svd'));
    expect(fitted.a).toEqual(factors.a.slice(0, 28));
    expect(fitted.b).toEqual(new Float32Array(22));
  });

  it('refuses a rank that is none', () => {
    for (const r of [0, 1.5, NaN]) expect(codeOf(() => fitRank([], r, 'rows'))).toBe('option_invalid');
  });
});

describe('expectedUpdate', () => {
  const published = tensorInfos(tensorsOf(randomFactors(Random.of('infos'), SHAPE)));
  const sent = (factors: Factors): ReturnType<typeof tensorInfos> => tensorInfos(tensorsOf(factors));
  const random = Random.of('sent');

  it('leaves out the factor that silos keep', () => {
    const names = (method: string): string[] => expectedUpdate(published, [], instructions(method, {}, 1)).map(({ name }) => name);
    expect(names('fedit')).toEqual(published.map(({ name }) => name));
    expect(names('ffa')).toEqual(['base_model.model.m0.lora_B.weight', 'head.bias']);
    expect(names('fedsa')).toEqual(['base_model.model.m0.lora_A.weight', 'head.bias']);
  }); // prettier-ignore

  it('takes a rank from 1 to the run’s where the method does, the same in A and B', () => {
    const own = instructions('fedrot', {}, 1);
    for (const r of [1, 3, 6]) checkUpdate(published, sent(randomFactors(random, { ...SHAPE, r })), own);
    const large = sent(randomFactors(random, { ...SHAPE, r: 7 }));
    expect(codeOf(() => checkUpdate(published, large, own))).toBe('tensor_shape');
    const [a, b, headBias] = sent(randomFactors(random, { ...SHAPE, r: 3 }));
    const odd = [a!, { ...b!, shape: [SHAPE.out, 2] }, headBias!];
    expect(codeOf(() => checkUpdate(published, odd, own))).toBe('tensor_shape');
    const small = sent(randomFactors(random, { ...SHAPE, r: 3 }));
    expect(() => checkUpdate(published, small, instructions('fedit', {}, 1))).toThrow(/needs the run's rank/);
  });
});
