import { describe, expect, it } from 'vitest';
import { bestVersion, earlyStop, withScore, type VersionScore } from '../../../src/server/round/scores.js';
import { parseRunSpec } from '../../../src/run-spec.js';

const accuracy = (examples: number, value: number) => ({ examples, loss: 9, accuracy: value });
const scored = (...accuracies: number[]): readonly VersionScore[] =>
  accuracies.reduce<readonly VersionScore[]>(
    (scores, value, version) => withScore(scores, version, accuracy(10, value)),
    [],
  );

describe('the best version', () => {
  it('is the one with the highest accuracy over all examples, the first of equals', () => {
    expect(bestVersion([])).toBeUndefined();
    expect(bestVersion(scored(0.5, 0.8, 0.8, 0.7))).toBe(1);
    // Version 1: 0.9 of 10 and 0.5 of 90 examples is 0.54, below version 0.
    const many = withScore(
      withScore(withScore([], 0, accuracy(10, 0.6)), 1, accuracy(10, 0.9)),
      1,
      accuracy(90, 0.5),
    );
    expect(bestVersion(many)).toBe(0);
  });

  it('is the one with the least loss where the task has no accuracy; what is no number does not count', () => {
    const loss = (value: number) => ({ examples: 5, loss: value, accuracy: null });
    const scores = [3, 2, 2.5].reduce<readonly VersionScore[]>(
      (all, value, version) => withScore(all, version, loss(value)),
      [],
    );
    expect(bestVersion(scores)).toBe(1);
    expect(withScore(scores, 3, loss(NaN))).toBe(scores);
  });
});

describe('early stop', () => {
  it('after so many scored versions without a better one', () => {
    const stop = { patience: 2, minDelta: 0 };
    expect(earlyStop(scored(0.9, 0.1, 0.1, 0.1), undefined)).toBeUndefined();
    expect(earlyStop(scored(0.5, 0.6, 0.55), stop)).toBeUndefined();
    expect(earlyStop(scored(0.5, 0.6, 0.55, 0.6), stop)).toMatch(/version 1 is the best, and 2/);
    expect(earlyStop(scored(0.5, 0.6, 0.55, 0.7), stop)).toBeUndefined();
    expect(earlyStop(scored(0.5, 0.52, 0.54), { patience: 2, minDelta: 0.05 })).toMatch(/version 0/);
  });

  it('needs versions that are scored', () => {
    expect(() =>
      parseRunSpec({
        name: 'x',
        bundle: '0'.repeat(64),
        task: { kind: 'text-classification', labels: ['a', 'b'] },
        evaluation: { every: 0, stop: { patience: 1 } },
      }),
    ).toThrow(/evaluation.stop: needs versions that are scored/);
  });
});
