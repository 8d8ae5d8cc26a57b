import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import type { Factors, WeightedUpdate } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { aggregationSchema } from '../../src/aggregation-spec.js';
import type { RobustSpec } from '../../src/run-spec.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import { frobenius, minus } from './support/dense.js';
import {
  adapter,
  inputOf,
  nearFactors,
  normals,
  product,
  publishedFactors,
  randomFactors,
  scrambled,
} from './support/federation.js';

const robustOf = (robust: object): RobustSpec => aggregationSchema.parse({ robust }).robust!;

const SHAPE = { r: 3, in: 8, out: 7 };
const head = (data: Float32Array): NamedTensor => ({ name: 'head.bias', shape: [data.length], data });

interface Silo {
  readonly factors: Factors;
  readonly head: Float32Array;
}

/** All numbers of an adapter in a row, A, B, head. */
const numbers = ({ factors, head: dense }: Silo): number[] => [...factors.a, ...factors.b, ...dense];

function federation(seed: number, count: number): { previous: Silo; silos: Silo[]; weights: number[] } {
  const random = Random.of('robust', seed);
  const previous = { factors: randomFactors(random, SHAPE), head: normals(random, 4) };
  const silos = Array.from({ length: count }, () => ({
    factors: nearFactors(random, previous.factors, 0.3),
    head: previous.head.map((value) => value + random.normal(0, 0.3)),
  }));
  return { previous, silos, weights: silos.map(() => 1 + random.integer(5)) };
}

function combine(previous: Silo, silos: readonly Silo[], weights: readonly number[], robust: object, method = 'fedit', options: object = {}): number[] {
  const updates: WeightedUpdate[] = silos.map(({ factors, head: dense }, i) => ({
    silo: `s${String(i).padStart(2, '0')}`,
    weight: weights[i]!,
    tensors: adapter([factors], [head(dense)]),
  }));
  const { tensors } = aggregate(
    inputOf(previous.factors, [], { method, options, updates, previous: adapter([previous.factors], [head(previous.head)]), robust: robustOf(robust) }),
  );
  const dense = tensors.find(({ name }) => name === 'head.bias')!.data;
  return numbers({ factors: publishedFactors(tensors), head: dense });
} // prettier-ignore

const close = (got: readonly number[], expected: readonly number[]): void => {
  expect(got).toHaveLength(expected.length);
  got.forEach((value, i) => expect(Math.abs(value - expected[i]!)).toBeLessThan(2e-6));
};

const column = (silos: readonly Silo[], at: number): number[] => silos.map((silo) => numbers(silo)[at]!);
const rising = (values: number[]): number[] => [...values].sort((x, y) => x - y);
const square = (x: readonly number[], y: readonly number[]): number =>
  x.reduce((sum, value, i) => sum + (value - y[i]!) ** 2, 0);

describe('robust combination, against its definition', () => {
  it.each([3, 4, 9])('median and trimmed mean of every coordinate, of %i silos', (count) => {
    const { previous, silos, weights } = federation(count, count);
    const all = numbers(previous).map((_, at) => rising(column(silos, at)));
    const middle = (values: number[]): number =>
      (values[Math.floor((count - 1) / 2)]! + values[Math.ceil((count - 1) / 2)]!) / 2;
    close(combine(previous, silos, weights, { combine: { kind: 'median' } }), all.map(middle));
    const cut = Math.ceil(0.25 * count);
    const trimmed = all.map((values) => {
      const kept = values.slice(cut, count - cut);
      return kept.reduce((sum, value) => sum + value, 0) / kept.length;
    });
    close(combine(previous, silos, weights, { combine: { kind: 'trimmed-mean', fraction: 0.25 } }), trimmed);
  });

  it('clipping shortens an update over the whole adapter', () => {
    const { previous, silos, weights } = federation(7, 5);
    const start = numbers(previous);
    const norms = silos.map((silo) => Math.sqrt(square(numbers(silo), start)));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    for (const [clip, bound] of [[1, 1], [1e6, 1e6], ['median', rising(norms)[2]!]] as const) {
      const expected = start.map((old, at) =>
        silos.reduce(
          (sum, silo, i) =>
            sum + (weights[i]! / total) * Math.min(1, bound / norms[i]!) * (numbers(silo)[at]! - old),
          old,
        ),
      );
      close(combine(previous, silos, weights, { clip }), expected);
    }
  }); // prettier-ignore

  it('Krum takes the update with the nearest neighbours, Multi-Krum the mean of the best', () => {
    for (let seed = 0; seed < 10; seed++) {
      const { previous, silos, weights } = federation(seed, 8);
      const scores = silos.map((silo, i) =>
        rising(silos.filter((_, j) => j !== i).map((other) => square(numbers(silo), numbers(other))))
          .slice(0, 8 - 2 - 2)
          .reduce((sum, value) => sum + value, 0),
      );
      const order = scores.map((_, i) => i).sort((i, j) => scores[i]! - scores[j]!);
      close(combine(previous, silos, weights, { combine: { kind: 'krum', byzantine: 2 } }), numbers(silos[order[0]!]!));
      const chosen = order.slice(0, 6);
      const total = chosen.reduce((sum, i) => sum + weights[i]!, 0);
      const expected = numbers(previous).map((_, at) =>
        chosen.reduce((sum, i) => sum + (weights[i]! / total) * numbers(silos[i]!)[at]!, 0),
      );
      close(combine(previous, silos, weights, { combine: { kind: 'multi-krum', byzantine: 2 } }), expected);
    }
  }); // prettier-ignore

  it('a mean with nothing to clip is the weighted mean', () => {
    const { previous, silos, weights } = federation(3, 6);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const expected = numbers(previous).map((_, at) =>
      column(silos, at).reduce((sum, value, i) => sum + (weights[i]! / total) * value, 0),
    );
    close(combine(previous, silos, weights, {}), expected);
  });
});

describe('robust combination', () => {
  const attacks = [
    { combine: { kind: 'median' } },
    { combine: { kind: 'trimmed-mean', fraction: 0.25 } },
    { combine: { kind: 'krum', byzantine: 2 } },
    { combine: { kind: 'multi-krum', byzantine: 2 } },
    { clip: 'median', combine: { kind: 'median' } },
  ];

  it.each(attacks)('%j acts on aligned factors: two hostile silos, all bases scrambled', (robust) => {
    const random = Random.of('hostile');
    const { previous, silos, weights } = federation(11, 10);
    const near = silos.map((silo) => ({ ...silo, factors: nearFactors(random, previous.factors, 0.05) }));
    const turned = near.map((silo) => ({ ...silo, factors: scrambled(random, silo.factors) }));
    const hostile = turned.map((silo, i) =>
      i < 2 ? { ...silo, factors: { ...silo.factors, b: silo.factors.b.map((value) => -50 * value) } } : silo,
    );
    const factorsOf = (flat: number[]): Factors => ({
      ...SHAPE,
      a: Float32Array.from(flat.slice(0, 24)),
      b: Float32Array.from(flat.slice(24, 45)),
    });
    const off = (kind: object, method: string, options = {}): number =>
      frobenius(minus(product(factorsOf(combine(previous, hostile, weights, kind, method, options))), product(previous.factors))) / frobenius(product(previous.factors));
    expect(off({}, 'fedrot', { lambda: 1 })).toBeGreaterThan(2);
    expect(off(robust, 'fedrot', { lambda: 1 })).toBeLessThan(0.15);
    expect(off(robust, 'fedrot-consensus')).toBeLessThan(0.15);
    // Krum publishes one silo's factors, whose product is right in any basis; every other way needs a common one.
    if (robust.combine.kind !== 'krum') expect(off(robust, 'fedit')).toBeGreaterThan(0.3);
  }); // prettier-ignore

  it('returns identical silos as they are, and does not depend on their order', () => {
    const { previous, silos } = federation(5, 7);
    const random = Random.of('shuffle');
    for (const robust of attacks) {
      const same = silos.map(() => silos[0]!);
      close(combine(previous, same, same.map(() => 1), { ...robust, clip: undefined }), numbers(silos[0]!)); // prettier-ignore
      const updates = silos.map(({ factors, head: dense }, i) => ({ silo: `s${i}`, weight: 1, tensors: adapter([factors], [head(dense)]) })); // prettier-ignore
      const start = {
        previous: adapter([previous.factors], [head(previous.head)]),
        robust: robustOf(robust),
      };
      const [first, second] = [updates, random.shuffle([...updates])].map((order) => aggregate(inputOf(previous.factors, [], { ...start, updates: order }))); // prettier-ignore
      expect(second).toEqual(first);
    }
  });

  it('says how many updates it needs', () => {
    const { previous, silos, weights } = federation(5, 6);
    const code = (robust: object): string => codeOf(() => combine(previous, silos, weights, robust));
    expect(code({ combine: { kind: 'krum', byzantine: 2 } })).toBe('precondition_failed');
    expect(code({ combine: { kind: 'krum', byzantine: 1 } })).toBe('nothing thrown');
    expect(code({ combine: { kind: 'trimmed-mean', fraction: 0.45 } })).toBe('precondition_failed');
    expect(() =>
      combine(previous, silos, weights, { combine: { kind: 'multi-krum', byzantine: 2 } }),
    ).toThrow(/at least 7 updates .* has 6/);
  });

  it('counts only silos with a weight', () => {
    const { previous, silos } = federation(6, 4);
    const weights = [0, 1, 1, 1];
    const expected = numbers(previous).map((_, at) => rising(column(silos.slice(1), at))[1]!);
    close(combine(previous, silos, weights, { combine: { kind: 'median' } }), expected);
  });
});
