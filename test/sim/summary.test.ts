import { describe, expect, it } from 'vitest';
import { expandGrid } from '../../src/sim/grid.js';
import type { TrialResult, VersionResult } from '../../src/sim/results.js';
import { parseStudy } from '../../src/sim/study.js';
import { summarize } from '../../src/sim/summary.js';

const version = (at: number, accuracy: number | null, squaredError: number | null): VersionResult => ({
  version: at,
  accuracy,
  loss: 1,
  trainLoss: 1,
  squaredError,
  squaredErrorFedit: squaredError === null ? null : 2 * squaredError,
  squaredErrorBound: 0,
  absoluteSquaredError: squaredError,
  misalignment: 0,
  lambda: null,
});

/** fedrot gains 2 points in seed 0 and 4 in seed 1 after round 1, nothing at the end. */
function results(): TrialResult[] {
  const study = parseStudy({
    name: 's',
    model: { bundle: 'b' },
    data: { name: 'd', train: 'a', test: 'b' },
    methods: ['fedit', 'fedrot'],
    rank: [2, 4],
    seeds: [0, 1],
  });
  return expandGrid(study).map((trial, i) => {
    const gain = trial.method === 'fedrot' ? 0.02 * (trial.seed + 1) : 0;
    const start = 0.4 + 0.1 * trial.seed;
    return {
      id: String(i),
      trial,
      outcome: 'finished',
      reason: '',
      versions: [
        version(0, 0.1, null),
        version(1, start + gain, 0.9),
        version(2, null, 0.2),
        version(3, 0.8, 0.4),
      ],
      failures: 0,
      seconds: 1,
      software: 'test',
    };
  });
}

describe('summarize', () => {
  it('compares a method with the baseline seed by seed', () => {
    const settings = summarize(results(), 'fedit');
    expect(settings.map(({ label }) => label)).toEqual(['rank 2', 'rank 4']);
    const [fedit, fedrot] = settings[0]!.methods;
    expect(fedit!.firstDifference).toBeUndefined();
    expect(fedrot!.first!.mean).toBeCloseTo(0.48, 12);
    expect(fedrot!.firstDifference!.mean).toBeCloseTo(0.03, 12);
    expect(fedrot!.firstDifference!.std).toBeCloseTo(Math.SQRT2 / 100, 12);
    expect(fedrot!.finalDifference).toMatchObject({ n: 2, mean: 0 });
  });

  it('takes errors of the rounds after the first, and curves where there are values', () => {
    const [, fedrot] = summarize(results(), 'fedit')[0]!.methods;
    expect(fedrot!.squaredError!.mean).toBeCloseTo(0.3, 12);
    expect(fedrot!.squaredErrorFedit!.mean).toBeCloseTo(0.6, 12);
    expect(fedrot!.curve('accuracy').map((point) => point.version)).toEqual([0, 1, 3]);
    expect(fedrot!.curve('squaredError').map((point) => point.version)).toEqual([1, 2, 3]);
  });

  it('has no differences without the baseline', () => {
    const only = results().filter(({ trial }) => trial.method === 'fedrot');
    expect(summarize(only, 'fedit')[0]!.methods[0]!.finalDifference).toBeUndefined();
  });
});
