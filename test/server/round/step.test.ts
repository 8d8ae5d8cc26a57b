import { describe, expect, it } from 'vitest';
import { nextWakeMs, outstandingTasks } from '../../../src/server/round/outstanding.js';
import { policy, Table } from './support.js';

describe('a run from start to end', () => {
  it('asks everyone who is connected when it is created, however few it needs', () => {
    const run = new Table(policy(), { trainers: ['c', 'a', 'b'], evaluators: [] });
    run.send({ type: 'begin', at: 0 });
    expect(run.assigned()).toEqual(['a', 'b', 'c']);
    const scored = new Table(policy(), { trainers: ['a', 'b'], evaluators: ['e'] });
    expect(scored.send({ type: 'begin', at: 0 }).assigned()).toEqual(['e']);
    expect(scored.state.phase).toBe('evaluating');
    const alone = new Table().send({ type: 'begin', at: 0 });
    expect(alone.state.reason).toBe('waiting for silos: 0 of 2 trainers connected');
  });

  it('waits for enough trainers, and says how many are missing', () => {
    const run = new Table().join('a');
    expect(run.state.phase).toBe('waiting');
    expect(run.state.reason).toContain('1 of 2 trainers');
    run.join('b');
    expect(run.state).toMatchObject({ phase: 'collecting', round: 1, attempt: 1, dueMs: 1000, reason: '' });
    expect(run.assigned()).toEqual(['a', 'b']);
  });

  it('aggregates at once when all have answered, publishes, goes on, finishes', () => {
    const run = new Table().join('a', 'b').update('b').update('a');
    expect(run.state.phase).toBe('aggregating');
    expect(run.effects).toContainEqual({ type: 'aggregate', round: 1 });
    run.aggregated();
    expect(run.state).toMatchObject({ phase: 'collecting', version: 1, round: 2 });
    expect(run.assigned()).toEqual(['a', 'b']);
    run.update('a').update('b').aggregated();
    expect(run.state).toMatchObject({ phase: 'done', outcome: 'finished', version: 2, round: 2, dueMs: 0 });
    expect(nextWakeMs(run.state)).toBeUndefined();
  });

  it('stops when told to, and calls off what is outstanding', () => {
    const run = new Table().join('a', 'b').update('a');
    run.send({ type: 'stop', at: 5, reason: 'enough' });
    expect(run.state).toMatchObject({ phase: 'done', outcome: 'stopped', reason: 'enough' });
    expect(run.effects).toMatchObject([{ type: 'cancel', silo: 'b' }]);
    expect(run.update('b').refusal).toBe('run_closed');
  });

  it('ignores an aggregation that ends after the run was stopped', () => {
    const run = new Table().join('a', 'b').update('a').update('b');
    run.send({ type: 'stop', at: 5, reason: 'enough' }).aggregated(1);
    expect(run.state.version).toBe(0);
  });
});

describe('time', () => {
  it('asks a silo that joins a round that needs nobody else only in the next one', () => {
    const run = new Table().join('a', 'b', 'c');
    expect(run.state.tasks.map((task) => task.silo)).toEqual(['a', 'b']);
    run.update('a').update('b').aggregated();
    expect(run.assigned()).toEqual(['a', 'b', 'c']);
  });

  it('publishes with the quorum at the deadline; the silent silo is late and its task called off', () => {
    const run = new Table(policy({ minSilos: 2, count: 2 })).join('a', 'b').update('a').update('b');
    run.join('c').aggregated().update('a').update('b');
    expect(run.state.phase).toBe('collecting');
    run.later(999);
    expect(run.state.phase).toBe('collecting');
    run.later(1);
    expect(run.state.phase).toBe('aggregating');
    expect(run.effects).toMatchObject([
      { type: 'failure', silo: 'c', code: 'deadline_exceeded' },
      { type: 'cancel', silo: 'c' },
      { type: 'aggregate', round: 2 },
    ]);
    expect(run.update('c').refusal).toBe('round_closed');
  });

  it('applies a deadline that has passed before anything that comes after it', () => {
    const run = new Table(policy({ minSilos: 1 })).join('a');
    run.join('b').update('a').aggregated().update('a');
    run.at = 5000;
    run.update('b');
    expect(run.refusal).toBe('round_closed');
    expect(run.state.phase).toBe('aggregating');
  });

  it('tries a round again that misses its quorum: counted updates stay, running tasks keep their id', () => {
    const run = new Table().join('a', 'b').update('a');
    const id = run.taskId('b');
    run.later(1000);
    expect(run.state).toMatchObject({ phase: 'collecting', round: 1, attempt: 2, dueMs: 2000 });
    expect(run.assigned()).toEqual(['b']);
    expect(run.taskId('b')).toBe(id);
    run.update('b');
    expect(run.state.phase).toBe('aggregating');
    expect(run.state.tasks.map((task) => task.update?.sha256)).toEqual(['a-1', 'b-1']);
  });

  it('gives up after the last attempt, and says who did not answer', () => {
    const run = new Table(policy({ maxAttempts: 2 })).join('a', 'b').update('a').later(1000).later(1000);
    expect(run.state).toMatchObject({ phase: 'done', outcome: 'failed' });
    expect(run.state.reason).toBe(
      'round 1 has 1 of the 2 updates it needs; no answer from b, after 2 attempt(s)',
    );
  });
});

describe('silos that leave, fail and return', () => {
  it('closes a full round when the last silo that is awaited leaves', () => {
    const run = new Table(policy({ minSilos: 1 })).join('a');
    run.join('b').update('a').aggregated().update('a');
    expect(run.state.phase).toBe('collecting');
    run.leave('b');
    expect(run.state.phase).toBe('aggregating');
    expect(run.state.tasks.find((task) => task.silo === 'b')?.state).toBe('late');
  });

  it('waits until the deadline for a silo that left, where the quorum needs it, and gives it its task again', () => {
    const run = new Table().join('a', 'b').update('a').leave('b');
    expect(run.state.phase).toBe('collecting');
    const id = run.taskId('b');
    run.join('b');
    expect(run.effects).toEqual([{ type: 'assign', silo: 'b', taskId: id }]);
    expect(outstandingTasks(run.state, 'b')).toEqual([
      { kind: 'train', id, round: 1, baseVersion: 0, deadlineMs: 1000 },
    ]);
  });

  it('asks an idle silo to replace one that left', () => {
    const run = new Table().join('a', 'b', 'c');
    expect(run.state.tasks.map((task) => task.silo)).toEqual(['a', 'b']);
    run.leave('a');
    expect(run.assigned()).toEqual(['c']);
  });

  it('goes on without a silo that failed, while the others are enough', () => {
    const run = new Table().join('a', 'b').update('a').update('b').join('c').aggregated();
    run.fail('c');
    expect(run.effects).toMatchObject([{ type: 'failure', silo: 'c', code: 'data_empty' }]);
    run.update('a').update('b');
    expect(run.state.phase).toBe('aggregating');
  });

  it('rests after a failure without which the quorum is out of reach, then asks anew under another id', () => {
    const run = new Table().join('a', 'b').update('a').fail('b');
    expect(run.state).toMatchObject({ phase: 'waiting', round: 1, dueMs: 1000 });
    expect(run.state.reason).toContain('b: data_empty: no rows');
    expect(outstandingTasks(run.state, 'b')).toEqual([]);
    run.later(1000);
    expect(run.state).toMatchObject({ phase: 'collecting', attempt: 2 });
    expect(run.effects).toEqual([{ type: 'assign', silo: 'b', taskId: 'run/1/b/2' }]);
  });

  it('asks a silo that failed again when its daemon comes back', () => {
    const run = new Table(policy({ minSilos: 1 })).join('a').update('a').join('b').aggregated();
    run.fail('b').leave('b').join('b');
    expect(run.effects).toEqual([{ type: 'assign', silo: 'b', taskId: 'run/2/b/2' }]);
  });

  it('ignores a failure reported for a task that is not outstanding', () => {
    const run = new Table().join('a', 'b').update('a');
    expect(run.fail('a').effects).toEqual([]);
    expect(run.fail('b', 'another').effects).toEqual([]);
    expect(run.state.phase).toBe('collecting');
  });

  it('rests without burning attempts while too few silos are connected', () => {
    const run = new Table().join('a', 'b').leave('a').leave('b').later(1000);
    expect(run.state).toMatchObject({ phase: 'waiting', attempt: 1, dueMs: 0 });
    run.later(1_000_000);
    expect(run.state.phase).toBe('waiting');
    run.join('a').join('b');
    expect(run.state).toMatchObject({ phase: 'collecting', attempt: 2 });
  });

  it('still takes the update of an attempt while the round rests', () => {
    const run = new Table().join('a', 'b').update('a').leave('b').later(1000);
    expect(run.state.phase).toBe('waiting');
    run.update('b');
    expect(run.refusal).toBeUndefined();
    expect(run.state.phase).toBe('aggregating');
  });
});

describe('updates that may not be counted', () => {
  it.each([
    ['another round that is closed', { round: 0 }, 'round_closed'],
    ['a round that has not begun', { round: 2 }, 'not_assigned'],
    ['a silo without a task', { silo: 'z' }, 'not_assigned'],
    ['another task', { taskId: 'run/1/b/9' }, 'not_assigned'],
    ['another start', { baseVersion: 7 }, 'precondition_failed'],
  ] as const)('%s', (_what, changes, code) => {
    const run = new Table().join('a', 'b');
    const before = run.state;
    expect(run.update('b', changes).refusal).toBe(code);
    expect(run.state).toBe(before);
  });

  it('a second update of the same silo', () => {
    expect(new Table().join('a', 'b').update('a').update('a').refusal).toBe('already_exists');
  });
});

describe('evaluation', () => {
  it('scores the initial adapter before the first round, and waits for it', () => {
    const run = new Table().evaluator('e').join('a', 'b');
    expect(run.state).toMatchObject({ phase: 'evaluating', round: 0, version: 0, dueMs: 500 });
    expect(outstandingTasks(run.state, 'e')).toEqual([
      { kind: 'evaluate', id: 'run/evaluate/0/e', version: 0, deadlineMs: 500 },
    ]);
    run.send({ type: 'evaluated', at: 1, silo: 'e', taskId: 'run/evaluate/0/e' });
    expect(run.state).toMatchObject({ phase: 'collecting', round: 1 });
  });

  it('does not wait longer than its time limit', () => {
    const run = new Table().evaluator('e').join('a', 'b').later(500);
    expect(run.state.phase).toBe('collecting');
    expect(run.kinds()).toEqual(['failure', 'cancel', 'assign', 'assign']);
  });

  it('does not wait for an evaluator that leaves or fails', () => {
    const left = new Table().evaluator('e').join('a', 'b').leave('e');
    expect(left.state.phase).toBe('collecting');
    const failed = new Table().evaluator('e').join('a', 'b').fail('e', 'run/evaluate/0/e');
    expect(failed.state.phase).toBe('collecting');
  });

  it('waits for the score of the last version before the run ends', () => {
    const run = new Table(policy({ count: 1 }, { every: 5 })).join('a', 'b').update('a').update('b');
    run.evaluator('e').send({ type: 'evaluated', at: 0, silo: 'e', taskId: 'run/evaluate/0/e' });
    run.aggregated();
    expect(run.state).toMatchObject({ phase: 'evaluating', version: 1, outcome: null });
    run.send({ type: 'evaluated', at: 1, silo: 'e', taskId: 'run/evaluate/1/e' });
    expect(run.state.outcome).toBe('finished');
  });

  it('asks an evaluator that comes during a round for the newest version, and holds nothing up for it', () => {
    const run = new Table().join('a', 'b').evaluator('e');
    expect(run.effects).toEqual([{ type: 'assign', silo: 'e', taskId: 'run/evaluate/0/e' }]);
    expect(run.state.phase).toBe('collecting');
  });

  it.each([
    [0, []],
    [1, [0, 1, 2, 3]],
    [2, [0, 2, 3]],
  ])('every %i versions', (every, versions) => {
    const run = new Table(policy({ count: 3, minSilos: 1 }, { every })).evaluator('e');
    const asked: number[] = [];
    const answer = (): void => {
      for (const task of run.state.evaluations) {
        asked.push(task.version);
        run.send({ type: 'evaluated', at: 0, silo: 'e', taskId: task.id });
      }
    };
    run.join('a');
    for (let round = 0; round < 3; round++) {
      answer();
      run.update('a').aggregated();
    }
    answer();
    expect(run.state.outcome).toBe('finished');
    expect(asked).toEqual(versions);
  });
});

describe('an aggregation that fails', () => {
  const full = { type: 'aggregation-failed', at: 0, round: 1, message: 'no space left' } as const;

  it('is tried again where the cause may pass', () => {
    const run = new Table()
      .join('a', 'b')
      .update('a')
      .update('b')
      .send({ ...full, code: 'storage_full' });
    expect(run.state.phase).toBe('aggregating');
    expect(run.state.reason).toContain('no space left');
    run.later(10_000);
    expect(run.effects).toEqual([{ type: 'aggregate', round: 1 }]);
    run.aggregated();
    expect(run.state.version).toBe(1);
  });

  it('ends the run otherwise', () => {
    const run = new Table()
      .join('a', 'b')
      .update('a')
      .update('b')
      .send({ ...full, code: 'option_invalid' });
    expect(run.state).toMatchObject({ phase: 'done', outcome: 'failed', version: 0 });
  });
});
