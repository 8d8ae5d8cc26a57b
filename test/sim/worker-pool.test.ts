import { describe, expect, it } from 'vitest';
import { expandGrid } from '../../src/sim/grid.js';
import { parseStudy } from '../../src/sim/study.js';
import { takeJob } from '../../src/sim/worker-pool.js';
import type { Job } from '../../src/sim/worker-protocol.js';

const jobs = (): Job[] =>
  expandGrid(
    parseStudy({
      name: 'order',
      model: { bundle: 'bundle' },
      data: { name: 'mails', train: 'train.jsonl', test: 'test.jsonl' },
      methods: ['fedit', 'fedrot', 'fedrot-exact'],
      seeds: [0, 1],
    }),
  ).map((trial, i) => ({ kind: 'trial', id: `${i}`, trial }));

const what = (job: Job | undefined) => job && [job.trial.seed, job.trial.method];

describe('takeJob', () => {
  it('gives two workers different first rounds while it can, and leaves nothing out', () => {
    const waiting = jobs();
    const first = takeJob(waiting, [])!;
    const second = takeJob(waiting, [first])!;
    expect([what(first), what(second)]).toEqual([
      [0, 'fedit'],
      [1, 'fedit'],
    ]);
    const third = takeJob(waiting, [second])!;
    expect(what(third)).toEqual([0, 'fedrot']);
    expect(what(takeJob(waiting, [third]))).toEqual([1, 'fedrot']);
    // All that is left begins as what is under way.
    const rest = waiting.filter(({ trial }) => trial.seed === 0);
    expect(what(takeJob(rest, [first]))).toEqual([0, 'fedrot-exact']);
    expect(rest).toHaveLength(0);
    expect(takeJob([], [first])).toBeUndefined();
    expect(waiting).toHaveLength(2);
  });
});
