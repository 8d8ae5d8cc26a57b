import { describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { fitFactors } from '../../src/align/fit-rank.js';
import { checkMethod, METHODS, staleHandling } from '../../src/align/methods.js';
import { broughtForward } from '../../src/align/stale-update.js';
import type { Factors, WeightedUpdate } from '../../src/align/types.js';
import { Random } from '../../src/random.js';
import { memorySource } from '../../src/tensor/encode-file.js';
import type { TensorSource } from '../../src/tensor/tensor.js';
import { codeOf } from '../support/code-of.js';
import { blend, fromFlat, frobenius, minus, times, type Dense } from './support/dense.js';
import { adapter, nearFactors, normals, randomFactors, scrambled } from './support/federation.js';

const SHAPE = { r: 3, in: 14, out: 10 };
const NAME = 'base_model.model.m0';
const able = METHODS.filter(({ allows }) => allows.stale !== undefined).map(({ name }) => name);

function factorsOf(source: TensorSource, r = SHAPE.r): Factors {
  const { in: inputs, out } = SHAPE;
  const [a, b] = [source.read(`${NAME}.lora_A.weight`), source.read(`${NAME}.lora_B.weight`)];
  return { r, in: inputs, out, a, b };
}

const product = ({ a, b, r, in: inputs, out }: Factors): Dense =>
  times(fromFlat(b, out, r), fromFlat(a, r, inputs));

const distance = (x: Dense, y: Dense): number => frobenius(minus(x, y)) / frobenius(y);

/** Newest version, an older one, and an update that began from it. */
function history(name: string) {
  const random = Random.of('stale', name);
  const base = randomFactors(random, SHAPE);
  return { random, base, newest: nearFactors(random, base, 0.05), own: nearFactors(random, base, 0.05) };
}

describe('an update of an older version', () => {
  it('plain: the newest version and the scaled step, for factors and dense tensors alike', () => {
    const { random, base, newest, own } = history('plain');
    const dense = [1, 2, 3].map(() => [{ name: 'z', shape: [5], data: normals(random, 5) }]);
    const [x, b, n] = [own, base, newest].map((factors, i) => adapter([factors], dense[i]));
    const brought = broughtForward(x!, { base: b!, scale: 0.25 }, n!, 'plain', { train: 'both' });
    expect(brought.tensors.map(({ name }) => name)).toEqual(n!.tensors.map(({ name }) => name));
    for (const { name } of n!.tensors) {
      const [p, q, r] = [n!.read(name), x!.read(name), b!.read(name)];
      brought.read(name).forEach((value, i) => {
        expect(value).toBeCloseTo(p[i]! + 0.25 * (q[i]! - r[i]!), 6);
      });
    }
  });

  it('rotated: whatever basis the silo and the older version are in, the product is the same', () => {
    const { random, base, newest, own } = history('rotated');
    const bring = (x: Factors, b: Factors): Dense =>
      product(
        factorsOf(
          broughtForward(adapter([x]), { base: adapter([b]), scale: 0.5 }, adapter([newest]), 'rotated', {
            train: 'both',
          }),
        ),
      );
    const expected = bring(own, base);
    expect(distance(bring(scrambled(random, own), base), expected)).toBeLessThan(1e-5);
    const turned = scrambled(random, base);
    expect(distance(bring(scrambled(random, own), turned), expected)).toBeLessThan(1e-5);
    // To first order the product moves by the scaled step of the products.
    const first = blend([1, 0.5, -0.5], [product(newest), product(own), product(base)]);
    expect(distance(expected, first)).toBeLessThan(0.02);
    expect(distance(product(newest), first)).toBeGreaterThan(0.03);
    // In the wrong basis, without a rotation, it would be far off.
    const plain = broughtForward(
      adapter([scrambled(random, own)]),
      { base: adapter([base]), scale: 0.5 },
      adapter([newest]),
      'plain',
      { train: 'both' },
    );
    expect(distance(product(factorsOf(plain)), first)).toBeGreaterThan(0.1);
  });

  it('that is its base adds nothing, in any basis and at any rank', () => {
    const { random, base, newest } = history('nothing');
    const small = fitFactors(base, 2, 'svd');
    for (const own of [base, scrambled(random, base), small, scrambled(random, small)]) {
      const brought = broughtForward(
        adapter([own]),
        { base: adapter([base]), scale: 1 },
        adapter([newest]),
        'rotated',
        { train: 'both', ownRank: 'svd' },
      );
      expect(distance(product(factorsOf(brought)), product(newest))).toBeLessThan(1e-5);
    }
  });

  it('begins from version 0, where B = 0', () => {
    const { random, own, base, newest } = history('zero');
    const zero = { ...base, b: new Float32Array(base.b.length) };
    const x = { ...own, b: normals(random, own.b.length, 0.05) };
    const brought = factorsOf(
      broughtForward(
        adapter([scrambled(random, x)]),
        { base: adapter([zero]), scale: 1 },
        adapter([newest]),
        'rotated',
        { train: 'both' },
      ),
    );
    const first = blend([1, 1], [product(newest), product(x)]);
    expect(distance(product(brought), first)).toBeLessThan(0.1);
  });
});

describe('a round with old updates', () => {
  function updates(scale: number): { previous: TensorSource; updates: WeightedUpdate[]; steps: Dense[] } {
    const { random, base, newest } = history('round');
    const dense = (): { name: string; shape: number[]; data: Float32Array }[] => [
      { name: 'z', shape: [4], data: normals(random, 4) },
    ];
    const previous = adapter([newest], dense());
    const old = adapter([base], dense());
    const fresh = adapter([nearFactors(random, newest, 0.05)], dense());
    const stale = [1, 2].map(() => adapter([nearFactors(random, base, 0.05)], dense()));
    const z = (source: TensorSource): Dense => [[...source.read('z')]];
    const steps = [
      minus(z(fresh), z(previous)),
      ...stale.map((source) => blend([scale, -scale], [z(source), z(old)])),
    ];
    return {
      previous,
      steps,
      updates: [
        { silo: 'a', weight: 1, tensors: fresh },
        ...stale.map((tensors, i) => ({
          ...{ silo: `b${i}`, weight: 1, tensors },
          stale: { base: old, scale },
        })),
      ],
    };
  }

  it('takes FedBuff’s step: w + Σ s(τ) Δ / K', () => {
    const given = updates(0.6);
    const { tensors } = aggregate({ method: 'fedit', options: {}, round: 4, seed: 0, ...given });
    const { previous, steps } = given;
    const expected = blend([1, 1 / 3, 1 / 3, 1 / 3], [[[...previous.read('z')]], ...steps])[0]!;
    memorySource(tensors)
      .read('z')
      .forEach((value, i) => {
        expect(value).toBeCloseTo(expected[i]!, 6);
      });
  });

  it.each(able.filter((name) => checkMethod(name, {}).instructions(1).share === undefined))(
    '%s: is near the mean of the steps, whatever order they come in; scale 0 leaves the fresh one alone',
    (method) => {
      const of = (scale: number, reverse = false): Dense => {
        const { previous, updates: list } = updates(scale);
        const ordered = reverse ? [...list].reverse() : list;
        const { tensors } = aggregate({ method, options: {}, round: 4, seed: 0, previous, updates: ordered });
        return product(factorsOf(memorySource(tensors)));
      };
      expect(of(0.6, true)).toEqual(of(0.6));
      const { previous, updates: list } = updates(0.6);
      const newest = product(factorsOf(previous));
      const [fresh, ...stale] = list.map(({ tensors }) => product(factorsOf(tensors)));
      const base = product(factorsOf(list[1]!.stale!.base));
      const mean = (scale: number): Dense =>
        blend(
          [1, 1 / 3, -1 / 3, scale / 3, -scale / 3, scale / 3, -scale / 3],
          [newest, fresh!, newest, stale[0]!, base, stale[1]!, base],
        );
      expect(distance(of(0.6), mean(0.6))).toBeLessThan(0.03);
      expect(distance(of(0), mean(0))).toBeLessThan(0.03);
    },
  );
});

describe('methods', () => {
  it.each(METHODS.map(({ name }) => name))('%s takes old updates or says why it cannot', (name) => {
    const code = codeOf(() => staleHandling(checkMethod(name, {})));
    expect(code).toBe(able.includes(name) ? 'nothing thrown' : 'option_invalid');
  });

  it('whose silos rotate from round to round cannot, with that setting', () => {
    const rotating = checkMethod('fedrot', { where: 'silo', lambda: 1 });
    expect(() => staleHandling(rotating)).toThrow(/differs from round to round/);
    expect(() => staleHandling(checkMethod('flora', {}))).toThrow(/merged into their base/);
  });
});
