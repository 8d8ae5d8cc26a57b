import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { rotateFactors, rotationTo } from '../../src/align/rotate.js';
import type { AggregateInput, WeightedUpdate } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { memorySource } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import {
  adapter,
  denseError,
  inputOf,
  nearFactors,
  normals,
  publishedFactors,
  randomFactors,
  scrambled,
  updatesOf,
} from './support/federation.js';

const SHAPE = { r: 3, in: 12, out: 9 };

describe('aggregate', () => {
  it('fedit is the weighted mean of every tensor', () => {
    const random = Random.of('mean');
    const tensors = (): NamedTensor[] => [
      { name: 'm.lora_A.weight', shape: [2, 5], data: normals(random, 10) },
      { name: 'm.lora_B.weight', shape: [4, 2], data: normals(random, 8) },
      { name: 'head.bias', shape: [3], data: normals(random, 3) },
    ];
    const silos = [tensors(), tensors(), tensors()];
    const weights = [10, 30, 60];
    const { tensors: result } = aggregate({
      method: 'fedit',
      options: {},
      round: 1,
      seed: 0,
      previous: memorySource(tensors()),
      updates: silos.map((silo, i) => ({ silo: `s${i}`, weight: weights[i]!, tensors: memorySource(silo) })),
    });
    expect(result.map(({ name }) => name)).toEqual(['head.bias', 'm.lora_A.weight', 'm.lora_B.weight']);
    for (const { name, data, shape } of result) {
      const of = silos.map((silo) => silo.find((tensor) => tensor.name === name)!);
      expect(shape).toEqual(of[0]!.shape);
      data.forEach((value, at) =>
        expect(value).toBeCloseTo(
          0.1 * of[0]!.data[at]! + 0.3 * of[1]!.data[at]! + 0.6 * of[2]!.data[at]!,
          6,
        ),
      );
    }
  });

  it('fedrot rotates each silo to Ā in round 2 and to B̄ in round 3, then averages', () => {
    const random = Random.of('sides');
    const previous = randomFactors(random, SHAPE);
    const silos = [0, 1, 2].map(() => nearFactors(random, previous, 0.4));
    const byHand = (side: 'a' | 'b', lambda: number): number[] => {
      const rotated = silos.map((silo) => rotateFactors(silo, rotationTo(silo, previous, { side, lambda })));
      return [...rotated[0]!.a].map((_, at) => rotated.reduce((sum, { a }) => sum + a[at]! / 3, 0));
    };
    const run = (round: number, options: object): Float32Array =>
      publishedFactors(aggregate(inputOf(previous, silos, { round, options })).tensors).a;
    const same = (got: Float32Array, expected: number[]): void =>
      got.forEach((value, at) => expect(value).toBeCloseTo(expected[at]!, 5));
    same(run(2, { lambda: 1 }), byHand('a', 1));
    same(run(3, { lambda: 1 }), byHand('b', 1));
    same(run(2, { lambda: 0.4, first: 'b' }), byHand('b', 0.4));
    same(run(3, { lambda: 0.4, first: 'b' }), byHand('a', 0.4));
    same(run(7, { lambda: 0.8, reference: 'a' }), byHand('a', 0.8));
    expect(byHand('a', 1)).not.toEqual(byHand('b', 1));
  });

  it('does not rotate in round 1', () => {
    const random = Random.of('first');
    const previous = { ...randomFactors(random, SHAPE), b: new Float32Array(27) };
    const silos = [0, 1, 2].map(() => scrambled(random, randomFactors(random, SHAPE)));
    const rot = aggregate(inputOf(previous, silos, { round: 1, options: { lambda: 1 } }));
    const fedit = aggregate(inputOf(previous, silos, { round: 1, method: 'fedit' }));
    expect(rot.tensors).toEqual(fedit.tensors);
    expect(rot.diagnostics.modules[0]).toMatchObject({ lambda: 0, rotation: [0, 0, 0] });
  });

  it('keeps reflections when asked: a mirrored silo is then undone', () => {
    const random = Random.of('mirror');
    const previous = randomFactors(random, SHAPE);
    const mirror = Float64Array.of(0, 1, 0, 1, 0, 0, 0, 0, 1);
    const silos = [previous, rotateFactors(previous, mirror)];
    const error = (options: object): number =>
      aggregate(inputOf(previous, silos, { options })).diagnostics.aggregationError!;
    expect(error({ lambda: 1, reflections: true })).toBeLessThan(1e-6);
    expect(error({ reflections: true })).toBeLessThan(1e-6);
    expect(error({ lambda: 1 })).toBeGreaterThan(0.1);
  });

  it('reports errors that equal full matrices, λ, and each rotation', () => {
    const random = Random.of('diagnostics');
    const previous = randomFactors(random, SHAPE);
    const silos = [0, 1, 2, 3].map(() => scrambled(random, nearFactors(random, previous, 0.2)));
    const weights = [1, 2, 3, 4];
    const { tensors, diagnostics } = aggregate(
      inputOf(previous, silos, { updates: updatesOf(silos, weights) }),
    );
    const fedit = aggregate(
      inputOf(previous, silos, { updates: updatesOf(silos, weights), method: 'fedit' }),
    );
    expect(diagnostics.aggregationError).toBeCloseTo(
      denseError(publishedFactors(tensors), silos, weights),
      6,
    );
    expect(diagnostics.aggregationErrorFedit).toBeCloseTo(
      denseError(publishedFactors(fedit.tensors), silos, weights),
      6,
    );
    expect(fedit.diagnostics.aggregationError).toBe(fedit.diagnostics.aggregationErrorFedit);
    expect(fedit.diagnostics.aggregationErrorFedit).toBe(diagnostics.aggregationErrorFedit);
    expect(diagnostics.aggregationError! / diagnostics.aggregationErrorFedit!).toBeLessThan(0.5);
    expect(diagnostics.silos).toEqual(['s00', 's01', 's02', 's03']);
    const [module] = diagnostics.modules;
    expect(module!.module).toBe('m0');
    expect(module!.lambda).toBe(1);
    module!.rotation!.forEach((distance, i) => {
      const rotation = rotationTo(silos[i]!, previous, { side: 'a', lambda: 1 });
      expect(distance).toBeCloseTo(
        Math.hypot(...rotation.map((value, at) => value - (at % 4 === 0 ? 1 : 0))),
        9,
      );
    });
  });

  it('totals are roots of summed squares over modules', () => {
    const random = Random.of('totals');
    const previous = [randomFactors(random, SHAPE), randomFactors(random, { r: 2, in: 5, out: 30 }, 3)];
    const silos = [0, 1, 2].map(() => previous.map((factors) => nearFactors(random, factors, 0.5)));
    const updates = silos.map((modules, i) => ({ silo: `s${i}`, weight: 1, tensors: adapter(modules) }));
    const { tensors, diagnostics } = aggregate(
      inputOf(previous[0]!, [], { previous: adapter(previous), updates }),
    );
    const errors = [0, 1].map((m) => denseError(publishedFactors(tensors, m), silos.map((modules) => modules[m]!))); // prettier-ignore
    const squares = diagnostics.modules.map(({ squaredError }) => squaredError);
    const targets = squares.map((square, m) => square / errors[m]! ** 2);
    expect(diagnostics.modules.map(({ aggregationError }) => aggregationError)).toEqual(errors.map((error) => expect.closeTo(error, 5) as number)); // prettier-ignore
    expect(diagnostics.aggregationError).toBeCloseTo(
      Math.sqrt((squares[0]! + squares[1]!) / (targets[0]! + targets[1]!)),
      4,
    );
    expect(diagnostics.squaredError).toBe(squares[0]! + squares[1]!);
  });

  it('has no relative error where ΔW* is zero', () => {
    const random = Random.of('null');
    const silo = { ...randomFactors(random, SHAPE), b: new Float32Array(27) };
    const { diagnostics } = aggregate(inputOf(silo, [silo, nearFactors(random, silo, 0)]));
    expect(diagnostics).toMatchObject({
      aggregationError: null,
      aggregationErrorFedit: null,
      squaredError: 0,
    });
    const one = randomFactors(random, SHAPE);
    const opposite = { ...one, b: one.b.map((value) => -value) };
    expect(aggregate(inputOf(one, [one, opposite])).diagnostics.aggregationError).toBeNull();
  });

  it('undoes a scramble of every upload: error at most 0.5 × plain averaging, here far less', () => {
    const random = Random.of('scramble');
    for (let round = 2; round < 8; round++) {
      const previous = randomFactors(random, { r: 4, in: 60, out: 50 });
      const silos = [...Array(10).keys()].map(() => scrambled(random, nearFactors(random, previous, 0.1)));
      const { diagnostics } = aggregate(inputOf(previous, silos, { round }));
      expect(diagnostics.aggregationError! / diagnostics.aggregationErrorFedit!).toBeLessThan(0.1);
    }
  });

  it('does not depend on the order of updates, not by a bit, exactly or sketched', () => {
    const random = Random.of('order');
    for (const count of [7, 90]) {
      const previous = randomFactors(random, { r: 4, in: 20, out: 10 });
      const silos = [...Array(count).keys()].map(() => scrambled(random, nearFactors(random, previous, 0.3)));
      const updates = updatesOf(silos, silos.map(() => 1 + random.integer(1000))); // prettier-ignore
      const first = aggregate(inputOf(previous, silos, { updates }));
      for (let i = 0; i < 5; i++)
        expect(aggregate(inputOf(previous, silos, { updates: random.shuffle([...updates]) }))).toEqual(first);
    }
  });

  it('depends on the seed only in the sketch', () => {
    const random = Random.of('seed');
    const previous = randomFactors(random, { r: 4, in: 20, out: 10 });
    const silos = [...Array(70).keys()].map(() => nearFactors(random, previous, 0.5));
    const [one, two] = [1, 2].map((seed) => aggregate(inputOf(previous, silos, { seed })));
    expect(one!.tensors).toEqual(two!.tensors);
    expect(one!.diagnostics.aggregationError).not.toBe(two!.diagnostics.aggregationError);
    expect(
      one!.diagnostics.aggregationError! / denseError(publishedFactors(one!.tensors), silos),
    ).toBeCloseTo(1, 0);
  });
});

describe('aggregate refuses', () => {
  const random = Random.of('refuse');
  const previous = randomFactors(random, SHAPE);
  const silos = [previous, previous];
  const refused = (rest: Partial<AggregateInput>): string =>
    codeOf(() => aggregate(inputOf(previous, silos, rest)));
  const withUpdate = (change: Partial<WeightedUpdate>): Partial<AggregateInput> => {
    const [first, second] = updatesOf(silos) as [WeightedUpdate, WeightedUpdate];
    return { updates: [first, { ...second, ...change }] };
  };

  it('methods and options that it does not know', () => {
    expect(refused({ method: 'nope' })).toBe('option_invalid');
    expect(refused({ options: { nope: 1 } })).toBe('option_invalid');
  });

  it('updates without weight, or two of one silo', () => {
    expect(refused({ updates: [] })).toBe('precondition_failed');
    expect(refused({ updates: updatesOf(silos, [0, 0]) })).toBe('precondition_failed');
    for (const weight of [-1, NaN, Infinity])
      expect(refused(withUpdate({ weight }))).toBe('precondition_failed');
    expect(refused(withUpdate({ silo: 's00' }))).toBe('precondition_failed');
  });

  it('updates of another shape, naming the silo', () => {
    const small = withUpdate({ tensors: adapter([randomFactors(random, { ...SHAPE, r: 2 })]) });
    const other = { ...small, method: 'fedit' };
    expect(refused(small)).toBe('nothing thrown'); // fedrot takes a silo's own rank, below the run's
    for (const shape of [
      { ...SHAPE, r: 4 },
      { ...SHAPE, in: 11 },
      { ...SHAPE, out: 8 },
    ])
      expect(refused(withUpdate({ tensors: adapter([randomFactors(random, shape)]) }))).toBe('tensor_shape');
    expect(refused(other)).toBe('tensor_shape');
    expect(() => aggregate(inputOf(previous, silos, other))).toThrow(
      /update of silo s01: .*expected shape \[3, 12\], got \[2, 12\]/,
    );
    expect(refused(withUpdate({ tensors: adapter([]) }))).toBe('tensor_name');
  });

  it('NaN and infinity in an update, and a result beyond float32', () => {
    for (const value of [NaN, Infinity]) {
      const bad = { ...previous, b: previous.b.slice().fill(value, 4, 5) };
      const update = withUpdate({ tensors: adapter([bad]) });
      expect(refused(update)).toBe('tensor_not_finite');
      expect(() => aggregate(inputOf(previous, silos, update))).toThrow(/silo s01: tensor .*lora_B/);
    }
    // Three equal rows of almost the largest float32, turned onto the first axis: √3 × as large.
    const huge = { ...previous, a: previous.a.map(() => 3.4e38) };
    const axis = { ...previous, a: previous.a.map((_, i) => (i < SHAPE.in ? 1 : 0)) };
    const overflow = { previous: adapter([axis]), updates: updatesOf([huge, huge]), options: { lambda: 1 } };
    expect(refused(overflow)).toBe('tensor_not_finite');
    expect(() => aggregate(inputOf(previous, silos, overflow))).toThrow(/lora_A.weight: .*beyond float32/);
    expect(refused({ ...overflow, options: { lambda: 0 } })).toBe('nothing thrown');
  });

  it('nothing for a weight of zero beside others, or weights near the largest number', () => {
    expect(refused({ updates: updatesOf(silos, [0, 5]) })).toBe('nothing thrown');
    expect(refused({ updates: updatesOf(silos, [Number.MAX_VALUE, Number.MAX_VALUE]) })).toBe(
      'nothing thrown',
    );
  });
});
