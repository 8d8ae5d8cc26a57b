import { describe, expect, it } from 'vitest';
import { inBatches, planBatches } from '../../../src/client/training/plan-batches.js';
import { Random } from '../../../src/random.js';

const COUNT = 1000;
const BATCH = 16;
/** Lengths between 5 and 204, in no order. */
const lengthOf = (index: number): number => 5 + ((index * 7919) % 200);

function take(batches: number, seed: number, count = COUNT): (readonly number[])[] {
  const plan = planBatches({ count, batchSize: BATCH, lengthOf, random: Random.of(seed) });
  return Array.from({ length: batches }, () => plan.next().value);
}

const EPOCH = Math.ceil(COUNT / BATCH);

describe('planBatches', () => {
  it('gives every example once an epoch', () => {
    const batches = take(2 * EPOCH, 1);
    for (const epoch of [batches.slice(0, EPOCH), batches.slice(EPOCH)])
      expect(epoch.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: COUNT }, (_, index) => index));
    expect(batches.slice(0, EPOCH)).not.toEqual(batches.slice(EPOCH));
    expect(Math.max(...batches.map(({ length }) => length))).toBe(BATCH);
  });

  it('repeats itself for a seed, and differs between seeds', () => {
    expect(take(70, 5)).toEqual(take(70, 5));
    expect(take(70, 5)).not.toEqual(take(70, 6));
  });

  it('pads less than half of what random batches would', () => {
    const padding = (batches: readonly (readonly number[])[]): number =>
      batches.reduce((sum, batch) => {
        const lengths = batch.map(lengthOf);
        return sum + Math.max(...lengths) * lengths.length - lengths.reduce((a, b) => a + b, 0);
      }, 0);
    const random = inBatches(Random.of(9).shuffle(Array.from({ length: COUNT }, (_, index) => index)), BATCH);
    expect(padding(take(EPOCH, 1))).toBeLessThan(padding(random) / 2);
  });

  it('does not put short batches first', () => {
    const means = take(EPOCH, 3).map(
      (batch) => batch.reduce((sum, index) => sum + lengthOf(index), 0) / batch.length,
    );
    const first = means.slice(0, EPOCH / 2).reduce((a, b) => a + b, 0);
    const second = means.slice(EPOCH / 2).reduce((a, b) => a + b, 0);
    expect(first / second).toBeGreaterThan(0.8);
    expect(first / second).toBeLessThan(1.25);
  });

  it('works with fewer examples than a batch', () => {
    expect(take(3, 1, 3).map((batch) => [...batch].sort())).toEqual([
      [0, 1, 2],
      [0, 1, 2],
      [0, 1, 2],
    ]);
  });
});
