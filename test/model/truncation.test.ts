import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longestFirst } from '../../src/model/truncation.js';

/**
 * Takes tokens one by one from the longer text; of equals, from the first. What is left is the definition of
 * longest_first.
 */
function oneByOne(first: number, second: number, budget: number): { first: number; second: number } {
  while (first + second > budget) {
    if (first >= second) first--;
    else second--;
  }
  return { first, second };
}

describe('longestFirst', () => {
  it('keeps what fits', () => {
    expect(longestFirst(3, 4, 7)).toEqual({ first: 3, second: 4 });
    expect(longestFirst(9, 0, 5)).toEqual({ first: 5, second: 0 });
  });

  // first, second, budget → kept, as tokenizers 0.23.3 (Rust) truncates them
  it.each([
    [4, 4, 5, 2, 3],
    [5, 4, 5, 3, 2],
    [9, 3, 5, 3, 2],
    [3, 9, 6, 3, 3],
    [1, 9, 5, 1, 4],
    [9, 0, 6, 6, 0],
  ])('%i and %i tokens in %i', (first, second, budget, keptFirst, keptSecond) => {
    expect(longestFirst(first, second, budget)).toEqual({ first: keptFirst, second: keptSecond });
  });

  it('fills the budget, and agrees with taking one token at a time up to the odd one', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.nat(60), fc.integer({ min: 1, max: 40 }), (first, second, budget) => {
        const kept = longestFirst(first, second, budget);
        const expected = oneByOne(first, second, budget);
        expect(kept.first + kept.second).toBe(Math.min(first + second, budget));
        expect(Math.abs(kept.first - expected.first)).toBeLessThanOrEqual(1);
      }),
    );
  });
});
