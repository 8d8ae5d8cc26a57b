import { describe, expect, it } from 'vitest';
import { statistic } from '../../src/sim/statistics.js';

describe('statistic', () => {
  it('is the mean and the sample standard deviation (numpy: std with ddof=1)', () => {
    const { n, mean, std } = statistic([2, 4, 4, 4, 5, 5, 7, 9])!;
    expect(n).toBe(8);
    expect(mean).toBe(5);
    expect(std).toBeCloseTo(2.138089935299395, 12);
  });

  it('leaves out what is not there', () => {
    expect(statistic([1, null, undefined, NaN, 3])).toEqual({ n: 2, mean: 2, std: Math.SQRT2 });
    expect(statistic([null])).toBeUndefined();
    expect(statistic([0.5])).toEqual({ n: 1, mean: 0.5, std: 0 });
  });
});
