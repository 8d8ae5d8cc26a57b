import { describe, expect, it } from 'vitest';
import type { EvaluationPoint, RoundPoint } from '../../src/api/rounds.js';
import type { RunSummary, SiloTask } from '../../src/api/types.js';
import { ROLES } from '../../src/pki/roles.js';
import {
  formatAgo,
  formatBytes,
  formatDuration,
  formatNumber,
  formatPercent,
  shortModule,
  tickLabels,
} from '../../src/web/lib/format.js';
import { mergeRuns, mergeSeries, mergeTasks, scoresByVersion } from '../../src/web/lib/merge.js';
import { mayAct } from '../../src/web/lib/roles.js';
import { parseRoute, runPath } from '../../src/web/lib/route.js';
import { rowsInSight } from '../../src/web/lib/rows.js';

describe('numbers and times', () => {
  it('labels of an axis have the decimals that one of them needs', () => {
    const percent = (value: number): string => formatPercent(value, value >= 1 ? 2 : 1);
    expect(tickLabels([0.4, 0.5, 1], percent)).toEqual(['40 %', '50 %', '100 %']);
    expect(tickLabels([0.1, 0.25], formatNumber)).toEqual(['0.10', '0.25']);
    expect(tickLabels([1e-5, 2e-5], formatNumber)).toEqual(['1.00e-5', '2.00e-5']);
  });

  it('are short and say their unit', () => {
    expect([0, 999, 1000, 33_500_000, 2.5e12].map(formatBytes)).toEqual([
      '0 B',
      '999 B',
      '1.0 kB',
      '33.5 MB',
      '2.5 TB',
    ]);
    expect(
      [0, 59_400, 60_000, 200_000, 3_600_000, 7_500_000, 86_400_000, 273_600_000].map(formatDuration),
    ).toEqual(['0 s', '59 s', '1 min', '3 min 20 s', '1 h', '2 h 5 min', '1 d', '3 d 4 h']);
    expect([0, 1000, 100_000, 999_000].map((at) => formatAgo(at, 1_000_000))).toEqual([
      '–',
      '16 min ago',
      '15 min ago',
      'just now',
    ]);
    expect([null, 0, 0.1234567, 1.5, 123.456, 1e-5, 123_456].map(formatNumber)).toEqual([
      '–',
      '0.0000',
      '0.1235',
      '1.500',
      '123.5',
      '1.00e-5',
      '1.23e+5',
    ]);
    expect([formatPercent(null), formatPercent(0.9731), formatPercent(0.5, 0)]).toEqual([
      '–',
      '97.3 %',
      '50 %',
    ]);
  });

  it('names modules by what tells them apart', () => {
    expect(shortModule('bert.encoder.layer.11.attention.self.query')).toBe('11 · self.query');
    expect(shortModule('model.layers.0.mlp.down_proj')).toBe('0 · mlp.down_proj');
    expect(shortModule('classifier')).toBe('classifier');
  });
});

describe('what a page knows', () => {
  const run = (id: string, createdMs: number, round = 0): RunSummary =>
    ({ id, createdMs, round }) as RunSummary;
  const task = (silo: string, step: number): SiloTask => ({ silo, step }) as SiloTask;
  const point = (round: number, updates = 1): RoundPoint => ({ round, updates }) as RoundPoint;
  const score = (
    version: number,
    silo: string,
    examples: number,
    accuracy: number | null,
  ): EvaluationPoint => ({
    version,
    silo,
    examples,
    accuracy,
    loss: accuracy,
  });

  it('takes runs that changed, newest first', () => {
    const known = mergeRuns([], [run('a', 1), run('b', 2)]);
    expect(mergeRuns(known, [run('a', 1, 5)]).map(({ id, round }) => [id, round])).toEqual([
      ['b', 0],
      ['a', 5],
    ]);
  });

  it('takes silos that moved, and forgets them with their round', () => {
    const first = { run: 'r', round: 1, whole: true, changed: [task('a', 0), task('c', 0)] };
    const known = mergeTasks(null, first);
    const moved = mergeTasks(known, {
      run: 'r',
      round: 1,
      whole: false,
      changed: [task('c', 4), task('b', 1)],
    });
    expect(moved.tasks).toEqual([task('a', 0), task('b', 1), task('c', 4)]);
    const next = mergeTasks(moved, { run: 'r', round: 2, whole: false, changed: [task('a', 1)] });
    expect(next).toEqual({ run: 'r', round: 2, tasks: [task('a', 1)] });
    expect(mergeTasks(moved, { ...first, run: 'other' }).run).toBe('other');
  });

  it('takes rounds and scores as they come, the last word counting', () => {
    const empty = { run: 'r', rounds: [], evaluations: [], whole: true };
    const known = mergeSeries(null, { ...empty, rounds: [point(1)], evaluations: [score(1, 'e', 1, 0.1)] });
    const more = mergeSeries(known, {
      ...empty,
      whole: false,
      rounds: [point(2)],
      evaluations: [score(1, 'e', 1, 0.2)],
    });
    expect(more.rounds.map(({ round }) => round)).toEqual([1, 2]);
    expect(more.evaluations.map(({ accuracy }) => accuracy)).toEqual([0.2]);
  });

  it('means evaluators by their examples', () => {
    const scores = scoresByVersion([score(1, 'a', 30, 1), score(1, 'b', 10, 0.5), score(0, 'a', 5, null)]);
    expect(scores).toEqual([
      { version: 0, accuracy: null, loss: null },
      { version: 1, accuracy: 0.875, loss: 0.875 },
    ]);
  });
});

describe('addresses', () => {
  it('are those of the pages, and back', () => {
    expect(parseRoute('/')).toEqual({ page: 'runs' });
    expect(parseRoute('/start')).toEqual({ page: 'new-run' });
    expect(parseRoute(runPath('a b', 'events'))).toEqual({ page: 'run', run: 'a b', tab: 'events' });
    expect(parseRoute(runPath('new'))).toEqual({ page: 'run', run: 'new', tab: 'overview' });
    for (const path of ['/runs/a/nothing', '/x', '/silos/a', '/runs/a/events/b'])
      expect(parseRoute(path)).toEqual({ page: 'lost' });
  });
});

describe('a long list', () => {
  it('draws what is in sight and a little more, never beyond its ends', () => {
    expect(rowsInSight(1000, 40, 0, 400)).toEqual({ first: 0, end: 18 });
    expect(rowsInSight(1000, 40, 20_000, 400)).toEqual({ first: 492, end: 518 });
    expect(rowsInSight(1000, 40, 39_600, 400)).toEqual({ first: 982, end: 1000 });
    expect(rowsInSight(3, 40, 4000, 400)).toEqual({ first: 3, end: 3 });
    expect(rowsInSight(0, 40, 0, 400)).toEqual({ first: 0, end: 0 });
  });
});

it('offers what a role may do, in the order of the coordinator’s roles', () => {
  for (const [index, role] of ROLES.entries())
    for (const [least, other] of ROLES.entries()) expect(mayAct(role, other)).toBe(index >= least);
  expect(mayAct(null, 'viewer')).toBe(false);
});
