import { describe, expect, it } from 'vitest';
import { RETRY_FOR_EVER, retryDelayMs } from '../../src/rpc/retry.js';

describe('retryDelayMs', () => {
  const policy = { initialMs: 100, maxMs: 1000, factor: 2, maxAttempts: 7 };

  it.each([
    [1, 0, 50],
    [1, 0.999999, 100],
    [2, 0, 100],
    [4, 0.5, 600],
    [5, 0, 500],
    [6, 0.999999, 1000],
  ])('after %i failures with a draw of %f waits about %f ms', (failures, draw, expected) => {
    expect(retryDelayMs(policy, failures, () => draw)).toBeCloseTo(expected, 2);
  });

  it('gives up after the last attempt', () => {
    expect(retryDelayMs(policy, 7, () => 0)).toBeUndefined();
  });

  it('goes on for ever within its bounds', () => {
    for (const failures of [1, 100, 1e6, Number.MAX_SAFE_INTEGER]) {
      const delay = retryDelayMs(RETRY_FOR_EVER, failures, () => 0.5);
      expect(delay).toBeGreaterThanOrEqual(RETRY_FOR_EVER.initialMs / 2);
      expect(delay).toBeLessThanOrEqual(RETRY_FOR_EVER.maxMs);
    }
  });
});
