import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aggregate, combine, diagnose } from '../../src/align/aggregate.js';
import { instructions, METHODS } from '../../src/align/methods.js';
import { hasParts, openParts } from '../../src/align/parts.js';
import { randomRotation } from '../../src/align/random-rotation.js';
import { rotateFactors } from '../../src/align/rotate.js';
import type { AggregateInput, AggregateResult, Factors } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { canonicalOrder } from '../../src/tensor/canonical.js';
import { federation, federations, kinds, rounding, shapes } from './support/degenerate.js';
import { blend, eckartYoung, frobenius, minus, type Dense } from './support/dense.js';
import {
  adapter,
  denseError,
  exactMean,
  inputOf,
  mergedFactors,
  nearFactors,
  only,
  product,
  publishedFactors,
  randomFactors,
  scrambled,
} from './support/federation.js';

const names = METHODS.map(({ name }) => name);
const methods = fc.constantFrom(...names);
const rounds = fc.integer({ min: 1, max: 4 });

/** A round as silos would do it: a factor that they do not train is as published, one that they do not share is not sent. */
function run(
  method: string,
  previous: Factors,
  silos: readonly Factors[],
  rest: Partial<AggregateInput> = {},
): AggregateResult {
  const { train, share = 'both' } = instructions(method, rest.options ?? {}, rest.round ?? 2);
  const updates = trained(train, previous, silos).map((factors, i) => ({
    silo: `s${String(i).padStart(2, '0')}`,
    weight: 1,
    tensors: only(share, adapter([factors])),
  }));
  return aggregate(inputOf(previous, silos, { method, updates, ...rest }));
}

/** Combining alone, and measuring later: the same adapter and the same figures as both at once. */
function inTurns(input: AggregateInput): AggregateResult {
  return { ...combine(input), diagnostics: diagnose(input) };
}

function trained(train: 'both' | 'a' | 'b', previous: Factors, silos: readonly Factors[]): Factors[] {
  return silos.map((silo) => ({
    ...silo,
    a: train === 'b' ? previous.a : silo.a,
    b: train === 'a' ? previous.b : silo.b,
  }));
}

/** What a silo's model gains: the published product, and what it merges. */
function gained({ tensors, merge }: AggregateResult): Dense {
  const own = product(publishedFactors(tensors));
  const merged = mergedFactors(merge);
  return merged ? blend([1, 1], [own, product(merged)]) : own;
}

const sharesBoth = (name: string): boolean =>
  [1, 2].every((round) => (instructions(name, {}, round).share ?? 'both') === 'both');

describe('every method, on random and degenerate inputs', () => {
  it('combined first and measured afterwards gives what both at once give', () => {
    fc.assert(
      fc.property(methods, federations, rounds, (method, { previous, silos }, round) => {
        const { train, share = 'both' } = instructions(method, {}, round);
        const updates = trained(train, previous, silos).map((factors, i) => ({
          silo: `s${String(i).padStart(2, '0')}`,
          weight: 1 + i,
          tensors: only(share, adapter([factors])),
        }));
        const input = inputOf(previous, silos, { method, updates, round });
        const [at, later] = [aggregate(input), inTurns(input)];
        expect(later.tensors).toEqual(at.tensors);
        expect(later.diagnostics).toEqual(at.diagnostics);
        expect(later.state).toEqual(at.state);
        for (const { name } of at.merge?.tensors ?? [])
          expect(later.merge?.read(name)).toEqual(at.merge?.read(name));
        expect(hasParts(input)).toBe(at.merge === undefined);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('combined in parts, in any order and by several, gives what the whole gives', () => {
    const sizes = { r: 3, in: 8, out: 5 };
    for (const method of names.filter((name) => instructions(name, {}, 2).merge !== true)) {
      const random = Random.of('parts', method);
      const three = (): Factors[] => Array.from({ length: 3 }, () => randomFactors(random, sizes));
      const { share = 'both' } = instructions(method, {}, 2);
      const updates = ['x', 'y', 'z'].map((silo, i) => ({
        silo,
        weight: 1 + i,
        tensors: only(share, adapter(three())),
      }));
      const input = { ...inputOf(three()[0]!, [], { method, updates }), previous: adapter(three()) };
      const whole = combine(input);
      const [one, other] = [openParts(input), openParts(input)];
      expect(one.count).toBe(3);
      const parts = [other.combine(2), one.combine(0), other.combine(1)].flat();
      expect(canonicalOrder(parts)).toEqual(whole.tensors);
      expect(one.tensors.map(({ name, shape }) => ({ name, shape }))).toEqual(
        whole.tensors.map(({ name, shape }) => ({ name, shape })),
      );
    }
  });

  it('gives finite and repeatable results', () => {
    fc.assert(
      fc.property(methods, federations, rounds, (method, { previous, silos }, round) => {
        const first = run(method, previous, silos, { round });
        for (const { data } of first.tensors) expect(data.every(Number.isFinite)).toBe(true);
        for (const { name } of first.merge?.tensors ?? [])
          expect(first.merge!.read(name).every(Number.isFinite)).toBe(true);
        const again = run(method, previous, silos, { round });
        expect(again.tensors).toEqual(first.tensors);
        expect(again.diagnostics).toEqual(first.diagnostics);
        expect(JSON.stringify(first.diagnostics)).not.toMatch(/NaN|Infinity/);
      }),
      { seed: 1, numRuns: 400 },
    );
  });

  it.each(names.filter(sharesBoth))('%s returns the product of one silo alone, or of identical ones', (method) => {
    fc.assert(
      fc.property(shapes, kinds, kinds, fc.integer({ min: 1, max: 5 }), rounds, fc.nat(), (shape, kind, reference, count, round, seed) => {
        const { previous, silos } = federation(shape, [kind], reference, 1, seed);
        const same = Array.from({ length: count }, () => silos[0]!);
        const expected = product(silos[0]!);
        const distance = frobenius(minus(gained(run(method, previous, same, { round })), expected));
        expect(distance).toBeLessThanOrEqual(1e-6 * frobenius(expected) + 4 * rounding(silos[0]!));
      }),
      { seed: 2, numRuns: 120 },
    );
  }); // prettier-ignore

  it('keeps norms: max(‖Ã‖, ‖B̃‖) ≤ √N × the largest input norm, lora-fair twice that', () => {
    fc.assert(
      fc.property(methods, federations, rounds, (method, { previous, silos }, round) => {
        if (method === 'flora') return; // A is drawn anew there
        const { a, b } = publishedFactors(run(method, previous, silos, { round }).tensors);
        const { train, share = 'both' } = instructions(method, {}, round);
        const sent = trained(
          train,
          previous,
          share === 'a' ? silos.map((silo) => ({ ...silo, b: previous.b })) : silos,
        );
        const largest = Math.max(...sent.flatMap((silo) => [Math.hypot(...silo.a), Math.hypot(...silo.b)]));
        const bound = (method === 'lora-fair' ? 2 : 1) * Math.sqrt(silos.length) * largest;
        expect(Math.max(Math.hypot(...a), Math.hypot(...b))).toBeLessThanOrEqual(bound * (1 + 1e-6));
      }),
      { seed: 3, numRuns: 400 },
    );
  });

  it.each(['flora', 'fedex'])('%s gives the silos ΔW* itself, to 1e-6', (method) => {
    fc.assert(
      fc.property(federations, rounds, ({ previous, silos }, round) => {
        const expected = exactMean(silos);
        const noise = silos.reduce((sum, silo) => sum + rounding(silo), 0);
        const mean = run('fedit', previous, silos, { round });
        const distance = frobenius(minus(gained(run(method, previous, silos, { round })), expected));
        expect(distance).toBeLessThanOrEqual(
          1e-6 * frobenius(expected) + 4 * noise + 4 * rounding(publishedFactors(mean.tensors)),
        );
      }),
      { seed: 4, numRuns: 200 },
    );
  });

  it('does not depend on the order of updates, not by a bit, exactly or merged', () => {
    const random = Random.of('order');
    for (const method of names)
      for (const count of [5, 70]) {
        const previous = randomFactors(random, { r: 4, in: 20, out: 10 });
        const silos = Array.from({ length: count }, () => nearFactors(random, previous, 0.3));
        const { train, share = 'both' } = instructions(method, {}, 2);
        const updates = trained(train, previous, silos).map((factors, i) => ({
          silo: `s${i}`,
          weight: 1 + random.integer(1000),
          tensors: only(share, adapter([factors])),
        }));
        const [first, second] = [updates, random.shuffle([...updates])].map((order) =>
          aggregate(inputOf(previous, silos, { method, updates: order })),
        );
        expect(second!.tensors).toEqual(first!.tensors);
        expect(second!.diagnostics).toEqual(first!.diagnostics);
        expect(mergedFactors(second!.merge)).toEqual(mergedFactors(first!.merge));
      }
  });

  it.each<[string, object, number[], boolean]>([
    ['fedrot', { lambda: 1 }, [2, 3], false],
    ['fedrot', { lambda: 1, reflections: true }, [2, 3], true],
    ['fedrot', { lambda: 1, start: 'consensus' }, [1], true],
    ['fedrot-consensus', {}, [1, 2], true],
    ['fedrot-exact', {}, [1, 2], true],
    ['flexlora', {}, [2], true],
  ])(
    '%s %j publishes the same product whatever private rotation a silo applies',
    (method, options, on, mirrors) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 5 }),
          fc.integer({ min: 2, max: 6 }),
          fc.constantFrom(...on),
          fc.nat(),
          (r, count, round, seed) => {
            const random = Random.of('private', seed);
            const previous = randomFactors(random, { r, in: 24, out: 20 });
            const silos = Array.from({ length: count }, () => nearFactors(random, previous, 0.2));
            const turned = silos.map((silo) => {
              const rotation = randomRotation(r, random);
              if (mirrors && random.uniform() < 0.5) for (let i = 0; i < r; i++) rotation[i * r]! *= -1;
              return rotateFactors(silo, rotation);
            });
            const publish = (updates: Factors[]): Dense =>
              gained(run(method, previous, updates, { round, options }));
            const expected = publish(silos);
            expect(frobenius(minus(publish(turned), expected))).toBeLessThan(1e-5 * frobenius(expected));
          },
        ),
        { seed: 5 },
      );
    },
  );
});

describe('aggregation errors', () => {
  it('fedrot-exact is at the Eckart–Young bound to 1e-6, and the bound is what is reported', () => {
    fc.assert(
      fc.property(federations, rounds, ({ previous, silos }, round) => {
        const target = exactMean(silos);
        const size = frobenius(target);
        const noise = silos.reduce((sum, silo) => sum + rounding(silo), 0) / silos.length;
        if (size <= 1e3 * noise) return;
        const { tensors, diagnostics } = run('fedrot-exact', previous, silos, { round });
        const bound = eckartYoung(target, previous.r);
        const error = frobenius(minus(product(publishedFactors(tensors)), target));
        expect(Math.abs(error - bound)).toBeLessThan(1e-6 * size);
        expect(Math.abs(diagnostics.aggregationErrorBound! - bound / size)).toBeLessThan(1e-6);
        expect(Math.abs(diagnostics.aggregationError! - error / size)).toBeLessThan(1e-6);
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  it.each([
    ['at once', 12, 20],
    ['merged in groups', 90, 24],
  ])('no method of rank r is below fedrot-exact, %s', (_, count, width) => {
    for (let seed = 0; seed < 4; seed++) {
      const random = Random.of('below', seed);
      const previous = randomFactors(random, { r: 4, in: width, out: width - 3 });
      const turn = seed % 2 === 0 ? scrambled : (__: Random, factors: Factors): Factors => factors;
      const silos = Array.from({ length: count }, () => turn(random, nearFactors(random, previous, 0.2 + 0.4 * seed)));
      const target = exactMean(silos);
      const bound = eckartYoung(target, 4) / frobenius(target);
      const errorOf = (method: string): number => {
        const { tensors, diagnostics } = run(method, previous, silos);
        const error = denseError(publishedFactors(tensors), silos);
        const sketch = count > 64 ? 0.3 : 1e-5;
        expect(Math.abs(diagnostics.aggregationError! / error - 1)).toBeLessThan(sketch);
        expect(diagnostics.aggregationError!).toBeGreaterThanOrEqual(diagnostics.aggregationErrorBound! * (1 - 1e-6));
        return error;
      };
      const exact = errorOf('fedrot-exact');
      expect(exact / bound - 1).toBeLessThan(count > 64 ? 1e-3 : 1e-6);
      for (const method of ['fedit', 'fedrot', 'fedrot-consensus', 'flexlora', 'hetlora', 'lora-fair'])
        expect(errorOf(method)).toBeGreaterThanOrEqual(exact * (1 - 1e-6));
    }
  }); // prettier-ignore

  it('are zero where one factor is common (ffa, rolora), and not known where B stays at the silo (fedsa)', () => {
    const random = Random.of('common');
    const previous = randomFactors(random, { r: 3, in: 12, out: 9 });
    const silos = Array.from({ length: 4 }, () => nearFactors(random, previous, 0.5));
    for (const [method, round, train] of [
      ['ffa', 2, 'b'],
      ['rolora', 1, 'b'],
      ['rolora', 2, 'a'],
    ] as const) {
      // prettier-ignore
      const { tensors, diagnostics } = run(method, previous, silos, { round });
      expect(diagnostics.aggregationError).toBeLessThan(1e-7);
      expect(denseError(publishedFactors(tensors), trained(train, previous, silos))).toBeLessThan(1e-6);
      const frozen = train === 'b' ? 'a' : 'b';
      expect(publishedFactors(tensors)[frozen]).toEqual(previous[frozen]);
    }
    const { tensors, diagnostics } = run('fedsa', previous, silos);
    expect(diagnostics).toMatchObject({
      aggregationError: null,
      aggregationErrorFedit: null,
      aggregationErrorBound: null,
    });
    expect(publishedFactors(tensors).b).toEqual(previous.b);
    publishedFactors(tensors).a.forEach((value, at) =>
      expect(value).toBeCloseTo(
        silos.reduce((sum, { a }) => sum + a[at]! / 4, 0),
        6,
      ),
    );
  });

  it('lora-fair is never above plain averaging, and lowers the error where there is one', () => {
    fc.assert(
      fc.property(federations, rounds, fc.integer({ min: 0, max: 50 }), fc.constantFrom(0, 0.01, 1), ({ previous, silos }, round, steps, penalty) => {
        const { tensors } = run('lora-fair', previous, silos, { round, options: { steps, penalty } });
        const target = exactMean(silos);
        const errorOf = (factors: Factors): number => frobenius(minus(product(factors), target));
        const plain = publishedFactors(run('fedit', previous, silos, { round }).tensors);
        const noise = silos.reduce((sum, silo) => sum + rounding(silo), rounding(publishedFactors(tensors)));
        expect(errorOf(publishedFactors(tensors))).toBeLessThanOrEqual(errorOf(plain) + noise);
      }),
      { seed: 7, numRuns: 200 },
    );
    const random = Random.of('fair');
    const previous = randomFactors(random, { r: 3, in: 12, out: 9 });
    const silos = Array.from({ length: 4 }, () => nearFactors(random, previous, 0.8));
    const error = (method: string, options = {}): number => run(method, previous, silos, { options }).diagnostics.aggregationError!;
    expect(error('lora-fair')).toBeLessThan(0.97 * error('fedit'));
    expect(error('lora-fair', { steps: 1000, penalty: 0 })).toBeLessThan(error('lora-fair'));
    expect(error('lora-fair', { steps: 0 })).toBeCloseTo(error('fedit'), 6);
  }); // prettier-ignore

  it('the control: a rotation of every upload costs fedrot at most 0.1 × of the squared error of plain averaging', () => {
    const random = Random.of('control');
    const squares = { fedrot: 0, consensus: 0, exact: 0, fedit: 0, bound: 0 };
    for (let round = 2; round < 10; round++) {
      const previous = randomFactors(random, { r: 4, in: 60, out: 50 });
      const silos = Array.from({ length: 10 }, () => scrambled(random, nearFactors(random, previous, 0.15)));
      const of = (method: string, options = {}): AggregateResult =>
        run(method, previous, silos, { round, options });
      const rotated = of('fedrot', { lambda: 1 }).diagnostics;
      squares.fedrot += rotated.aggregationError! ** 2;
      squares.fedit += rotated.aggregationErrorFedit! ** 2;
      squares.bound += rotated.aggregationErrorBound! ** 2;
      squares.consensus += of('fedrot-consensus').diagnostics.aggregationError! ** 2;
      squares.exact += of('fedrot-exact').diagnostics.aggregationError! ** 2;
    }
    expect(squares.fedrot / squares.fedit).toBeLessThan(0.1);
    expect(squares.consensus / squares.fedit).toBeLessThan(0.1);
    expect(squares.exact / squares.bound - 1).toBeLessThan(1e-6);
  });

  it('silos that found the same in bases of their own: consensus and exact need no reference, in round 1 too', () => {
    const random = Random.of('own bases');
    const start = { ...randomFactors(random, { r: 4, in: 60, out: 50 }, 0.08), b: new Float32Array(200) };
    const found = randomFactors(random, { r: 4, in: 60, out: 50 }, 0.1);
    const silos = Array.from({ length: 10 }, () => scrambled(random, nearFactors(random, found, 0.03)));
    const error = (method: string, options = {}): number =>
      run(method, start, silos, { round: 1, options }).diagnostics.aggregationError!;
    const plain = error('fedit');
    expect(error('fedrot')).toBe(plain);
    expect(error('fedrot-consensus')).toBeLessThan(0.2 * plain);
    expect(error('fedrot', { start: 'consensus' })).toBe(error('fedrot-consensus'));
    expect(error('fedrot-exact')).toBeLessThan(error('fedrot-consensus'));
  });
});
