import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partition, type Divisible } from '../../src/sim/partition/partition.js';
import type { PartitionSpec } from '../../src/sim/study.js';
import { codeOf } from '../support/code-of.js';

const examples = (count: number, labels: number, groups = 7): Divisible[] =>
  Array.from({ length: count }, (_, i) => ({ label: `l${i % labels}`, group: `g${(i * 5) % groups}` }));

const anySpec: fc.Arbitrary<PartitionSpec> = fc.oneof(
  fc.constant<PartitionSpec>({ kind: 'iid' }),
  fc
    .double({ min: 0.01, max: 100, noNaN: true })
    .map((alpha): PartitionSpec => ({ kind: 'dirichlet', alpha })),
  fc.integer({ min: 1, max: 4 }).map((perSilo): PartitionSpec => ({ kind: 'shards', perSilo })),
);

/** Share of a part's examples with its most frequent label, the mean over the parts. */
function purity(all: readonly Divisible[], parts: readonly (readonly number[])[]): number {
  const of = (part: readonly number[]): number => {
    const counts = new Map<string, number>();
    for (const at of part) counts.set(all[at]!.label, (counts.get(all[at]!.label) ?? 0) + 1);
    return Math.max(...counts.values()) / part.length;
  };
  return parts.reduce((sum, part) => sum + of(part), 0) / parts.length;
}

describe('partition', () => {
  it('gives every example to exactly one silo, enough to each, and the same again for the same seed', () => {
    fc.assert(
      fc.property(
        anySpec,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 1, max: 6 }),
        fc.nat(),
        (spec, silos, minExamples, labels, seed) => {
          const all = examples(silos * minExamples + 40, labels);
          const options = { silos, seed, minExamples };
          const parts = partition(all, spec, options);
          expect(parts).toHaveLength(silos);
          expect(parts.flat().sort((a, b) => a - b)).toEqual(all.map((_, at) => at));
          for (const part of parts) {
            expect(part.length).toBeGreaterThanOrEqual(minExamples);
            expect(part).toEqual([...part].sort((a, b) => a - b));
          }
          expect(partition(all, spec, options)).toEqual(parts);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('iid: sizes differ by one at most, labels are mixed', () => {
    const all = examples(1003, 4);
    const parts = partition(all, { kind: 'iid' }, { silos: 10, seed: 1, minExamples: 1 });
    expect(new Set(parts.map(({ length }) => length))).toEqual(new Set([100, 101]));
    expect(purity(all, parts)).toBeLessThan(0.4);
  });

  it('dirichlet: small α skews labels, large α mixes them', () => {
    const all = examples(4000, 8);
    const of = (alpha: number): number =>
      purity(all, partition(all, { kind: 'dirichlet', alpha }, { silos: 10, seed: 3, minExamples: 1 }));
    expect(of(0.05)).toBeGreaterThan(of(0.5));
    expect(of(0.5)).toBeGreaterThan(of(100));
    expect(of(100)).toBeLessThan(0.2);
  });

  it('shards: a silo has few labels and all silos the same size', () => {
    const all = examples(800, 8);
    const parts = partition(all, { kind: 'shards', perSilo: 2 }, { silos: 8, seed: 0, minExamples: 1 });
    for (const part of parts) {
      expect(part).toHaveLength(100);
      expect(new Set(part.map((at) => all[at]!.label)).size).toBeLessThanOrEqual(4);
    }
  });

  it('field: examples with one value stay together, spread evenly', () => {
    const all = examples(700, 3);
    const parts = partition(all, { kind: 'field', field: 'who' }, { silos: 3, seed: 0, minExamples: 1 });
    const owners = parts.map((part) => new Set(part.map((at) => all[at]!.group)));
    for (let group = 0; group < 7; group++)
      expect(owners.filter((owner) => owner.has(`g${group}`))).toHaveLength(1);
    expect(parts.map(({ length }) => length).sort((a, b) => a - b)).toEqual([200, 200, 300]);
  });

  it('another seed gives other parts', () => {
    const all = examples(200, 4);
    const of = (seed: number) => partition(all, { kind: 'iid' }, { silos: 4, seed, minExamples: 1 });
    expect(of(0)).not.toEqual(of(1));
  });

  it.each<[string, number, PartitionSpec, string]>([
    ['too few examples', 20, { kind: 'iid' }, 'option_invalid'],
    ['too few values of the field', 8, { kind: 'field', field: 'who' }, 'option_invalid'],
  ])('refuses %s', (_name, silos, spec, code) => {
    expect(codeOf(() => partition(examples(100, 4), spec, { silos, seed: 0, minExamples: 6 }))).toBe(code);
  });

  it('refuses examples without the field', () => {
    const spec: PartitionSpec = { kind: 'field', field: 'who' };
    const without = [{ label: 'a' }, { label: 'b' }];
    expect(codeOf(() => partition(without, spec, { silos: 1, seed: 0, minExamples: 1 }))).toBe(
      'data_missing_column',
    );
  });
});
