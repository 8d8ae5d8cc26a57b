import { describe, expect, it } from 'vitest';
import type { RoundPoint } from '../../src/api/rounds.js';
import { isPending, knownPoints, pendingRounds } from '../../src/web/lib/measured.js';
import { mergeSeries } from '../../src/web/lib/merge.js';
import { unmeasured } from './support/unmeasured.js';

const MEASURED: RoundPoint = {
  round: 1,
  startedMs: 0,
  publishedMs: 0,
  updates: 2,
  failures: 0,
  examples: 10,
  bytes: 100,
  trainLoss: 0.5,
  diagnosis: 'done',
  aggregationError: 0.1,
  aggregationErrorFedit: 0.2,
  aggregationErrorBound: 0.05,
  misalignment: 0.3,
  rollbackOf: null,
};

const unmeasuredRound = (round: number): RoundPoint => unmeasured({ ...MEASURED, round });

describe('a round whose diagnostics are still to come', () => {
  it('says so itself; null is what a method cannot tell', () => {
    expect(isPending(unmeasuredRound(1))).toBe(true);
    const unknown: RoundPoint = { ...MEASURED, aggregationError: null };
    const failed: RoundPoint = { ...unmeasuredRound(1), diagnosis: 'failed' };
    expect([unknown, failed].map(isPending)).toEqual([false, false]);
    expect(pendingRounds([MEASURED, unmeasuredRound(2), unmeasuredRound(3)])).toEqual([2, 3]);
  });

  it('is no point of a line, neither as zero nor as a gap in it', () => {
    const rounds = [MEASURED, { ...MEASURED, round: 2, aggregationError: null }, unmeasuredRound(3)];
    expect(
      knownPoints(
        rounds,
        ({ round }) => round,
        ({ aggregationError }) => aggregationError,
      ),
    ).toEqual([[1, 0.1]]);
  });

  it('is replaced when the stream tells of it again', () => {
    const empty = { run: 'r', evaluations: [], whole: false };
    const known = mergeSeries(null, { ...empty, whole: true, rounds: [MEASURED, unmeasuredRound(2)] });
    expect(pendingRounds(known.rounds)).toEqual([2]);
    const later = mergeSeries(known, { ...empty, rounds: [{ ...MEASURED, round: 2 }] });
    expect(later.rounds).toEqual([MEASURED, { ...MEASURED, round: 2 }]);
    expect(pendingRounds(later.rounds)).toEqual([]);
  });
});
