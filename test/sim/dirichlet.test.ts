import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { apportion, dirichletSplit, holdOut } from '../../src/sim/partition/dirichlet.js';

interface Numbered {
  readonly id: number;
  readonly label: string;
}

const corpus = (ham: number, spam: number): Numbered[] =>
  Array.from({ length: ham + spam }, (_, id) => ({
    id,
    label: id % 3 === 0 && id / 3 < spam ? 'spam' : 'ham',
  }));

const ids = (parts: readonly (readonly Numbered[])[]): number[] =>
  parts
    .flat()
    .map(({ id }) => id)
    .sort((x, y) => x - y);

describe('apportion', () => {
  it('gives whole parts that sum to the total, each within one of its exact share', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 5000 }),
        fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength: 12 }),
        (total, weights) => {
          const sum = weights.reduce((x, y) => x + y, 0);
          const shares = weights.map((weight) => weight / sum);
          const parts = apportion(total, shares);
          expect(parts.reduce((x, y) => x + y, 0)).toBe(total);
          parts.forEach((part, index) => {
            expect(Number.isInteger(part)).toBe(true);
            expect(Math.abs(part - (shares[index] ?? 0) * total)).toBeLessThan(1);
          });
        },
      ),
    );
  });
});

describe('holdOut', () => {
  it('cuts every example into exactly one half, the test set at the natural rate of labels', () => {
    const examples = corpus(700, 300);
    const { train, test } = holdOut(examples, 200, 7);
    expect(ids([train, test])).toEqual(examples.map(({ id }) => id));
    expect(test).toHaveLength(200);
    expect(test.filter(({ label }) => label === 'spam')).toHaveLength(60);
  });

  it('is the same for the same seed and another for another', () => {
    const examples = corpus(70, 30);
    expect(holdOut(examples, 20, 1)).toEqual(holdOut(examples, 20, 1));
    expect(holdOut(examples, 20, 1).test).not.toEqual(holdOut(examples, 20, 2).test);
  });
});

describe('dirichletSplit', () => {
  it('gives every example to exactly one silo and every silo its minimum', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0.3, 0.5, 1, 100),
        fc.integer({ min: 0, max: 1000 }),
        (silos, alpha, seed) => {
          const examples = corpus(400, 150);
          const parts = dirichletSplit(examples, { silos, alpha, seed, minExamples: 20 });
          expect(parts).toHaveLength(silos);
          expect(ids(parts)).toEqual(examples.map(({ id }) => id));
          for (const part of parts) expect(part.length).toBeGreaterThanOrEqual(20);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('repeats with the seed', () => {
    const options = { silos: 4, alpha: 0.5, minExamples: 20 };
    const examples = corpus(400, 150);
    expect(dirichletSplit(examples, { ...options, seed: 3 })).toEqual(
      dirichletSplit(examples, { ...options, seed: 3 }),
    );
    expect(dirichletSplit(examples, { ...options, seed: 3 })).not.toEqual(
      dirichletSplit(examples, { ...options, seed: 4 }),
    );
  });

  it('skews labels more the smaller alpha is', () => {
    const spread = (alpha: number): number => {
      const parts = Array.from({ length: 20 }, (_, seed) =>
        dirichletSplit(corpus(600, 300), { silos: 4, alpha, seed, minExamples: 20 }),
      ).flat();
      const rates = parts.map((part) => part.filter(({ label }) => label === 'spam').length / part.length);
      return rates.reduce((sum, rate) => sum + (rate - 1 / 3) ** 2, 0) / rates.length;
    };
    expect(spread(0.5)).toBeGreaterThan(10 * spread(100));
  });

  it('says so when no draw can satisfy the minimum', () => {
    expect(() => dirichletSplit(corpus(20, 10), { silos: 10, alpha: 0.5, seed: 1, minExamples: 20 })).toThrow(
      /no Dirichlet\(0\.5\) split of 30 examples gives each of 10 silos at least 20/,
    );
  });
});
