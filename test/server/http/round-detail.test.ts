import { expect, it } from 'vitest';
import { roundDetail } from '../../../src/server/http/run-series.js';
import type { RoundTotals, UpdateRecord } from '../../../src/server/store/store.js';

const TOTALS: RoundTotals = {
  round: 5,
  startedMs: 0,
  publishedMs: 1,
  diagnosis: 'pending',
  diagnosticsJson: '',
  updates: 2,
  examples: 20,
  bytes: 200,
  trainLoss: 0.5,
  failures: 0,
};

const update = (silo: string, baseVersion: number): UpdateRecord => ({
  round: baseVersion + 1,
  countedIn: 5,
  silo,
  taskId: silo,
  baseVersion,
  sha256: '',
  examples: 10,
  bytes: 100,
  loss: 0.5,
  steps: 1,
  seconds: 1,
  tokens: 0,
  receivedMs: 0,
});

it('says how old every update was when it counted, and what of its step counted for that', () => {
  const weight = { kind: 'polynomial', exponent: 0.5 } as const;
  const { updates, point } = roundDetail(
    { totals: TOTALS, updates: [update('a', 4), update('b', 2)], failures: [] },
    { weight },
  );
  expect(updates.map(({ silo, staleness, stepWeight }) => [silo, staleness, stepWeight])).toEqual([
    ['a', 0, 1],
    ['b', 2, 3 ** -0.5],
  ]);
  expect(point).toMatchObject({ diagnosis: 'pending', aggregationError: null });
});
