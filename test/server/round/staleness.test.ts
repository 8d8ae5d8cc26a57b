import { describe, expect, it } from 'vitest';
import { stalenessSchema } from '../../../src/staleness-spec.js';
import { narrate } from '../../../src/server/round/narrate.js';
import { outstandingTasks } from '../../../src/server/round/outstanding.js';
import { countingRound, stalenessOf, stalenessScale } from '../../../src/server/round/staleness.js';
import type { RoundPolicy } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import { doneTasks } from '../../../src/server/round/tasks.js';
import { policy, Table } from './support.js';

const QUIET = { every: 0 };

function begin(names: readonly string[], rounds: Partial<RoundPolicy['rounds']>): Table {
  const table = new Table(policy(rounds, QUIET), { trainers: names, evaluators: [] });
  return table.send({ type: 'begin', at: 0 });
}

/** Who counts in the open round, and how old each is. */
const inHand = (table: Table): string[] =>
  doneTasks(table.state).map((task) => `${task.silo} ${stalenessOf(table.state, task)}`);

describe('s(τ)', () => {
  const scale = (weight: unknown, old: number): number =>
    stalenessScale(stalenessSchema.parse(weight === undefined ? {} : { weight }), old);

  it('is (1 + τ)^−½ by default, as in FedBuff', () => {
    for (const [old, expected] of [
      [0, 1],
      [1, Math.SQRT1_2],
      [3, 0.5],
      [8, 1 / 3],
    ] as const)
      expect(scale(undefined, old)).toBeCloseTo(expected, 15);
  });

  it('is constant, polynomial or hinged (FedAsync)', () => {
    expect([0, 5].map((old) => scale({ kind: 'constant' }, old))).toEqual([1, 1]);
    expect([0, 1, 4].map((old) => scale({ kind: 'polynomial', exponent: 1 }, old))).toEqual([1, 0.5, 0.2]);
    expect([0, 2, 3, 4].map((old) => scale({ kind: 'hinge', free: 2, slope: 3 }, old))).toEqual([
      1,
      1,
      1 / 4,
      1 / 7,
    ]);
  });
});

describe('late updates that are carried', () => {
  const rounds = { minSilos: 2, count: 3, late: 'carry' } as const;

  /** Round 1 closes without c. */
  function lateC(more: Partial<RoundPolicy['rounds']> = {}): Table {
    const table = begin(['a', 'b', 'c'], { ...rounds, ...more });
    table.update('a').update('b');
    return table.later(1000);
  }

  it('count in the next round, one version old, once; the silo is not asked for another one meanwhile', () => {
    const table = lateC();
    expect(table.state.phase).toBe('aggregating');
    expect(table.kinds()).toEqual(['aggregate']); // neither cancelled nor a failure
    expect(table.state.tasks[2]).toMatchObject({ silo: 'c', state: 'late' });
    table.aggregated();
    expect(table.state).toMatchObject({ round: 2, phase: 'collecting' });
    expect(table.state.tasks).toMatchObject([
      { silo: 'a', id: 'run/2/a/1' },
      { silo: 'b', id: 'run/2/b/1' },
      { silo: 'c', id: 'run/1/c/1', round: 1, baseVersion: 0, state: 'assigned' },
    ]);
    table.update('c');
    expect(table.refusal).toBeUndefined();
    expect(inHand(table)).toEqual(['c 1']);
    table.update('c', { round: 1, baseVersion: 0 });
    expect(table.refusal).toBe('already_exists');
    table.update('a').update('b');
    expect(table.state.phase).toBe('aggregating');
    expect(inHand(table)).toEqual(['a 0', 'b 0', 'c 1']);
    table.aggregated();
    expect(table.assigned()).toEqual(['a', 'b', 'c']);
  });

  it('are taken while the version is being published, and count in the round after it', () => {
    const table = lateC();
    const taskId = table.taskId('c');
    table.update('c');
    expect(table.refusal).toBeUndefined();
    expect(countingRound(table.state, taskId)).toBe(2);
    expect(inHand(table)).toEqual(['a 0', 'b 0']); // not in the version under way
    table.aggregated();
    expect(inHand(table)).toEqual(['c 1']);
    expect(table.assigned()).toEqual(['a', 'b']);
  });

  it('are not waited for', () => {
    const table = lateC().aggregated().update('a');
    expect(table.state.phase).toBe('collecting');
    table.update('b');
    expect(table.state.phase).toBe('aggregating');
  });

  it('come on top of what over-selection waits for', () => {
    const table = begin(['a', 'b', 'c'], { ...rounds, updates: 2 });
    table.update('a').update('b');
    expect(table.state.phase).toBe('aggregating');
    table.aggregated().update('c').update('a');
    expect(table.state.phase).toBe('collecting');
    table.update('b');
    expect(table.state.phase).toBe('aggregating');
    expect(inHand(table)).toEqual(['a 0', 'b 0', 'c 1']);
  });

  it('are refused when they would be older than staleness.max, and count as a failure then', () => {
    const table = lateC().aggregated().update('a').update('b'); // round 2 without c: it would be 2 old
    expect(table.effects).toMatchObject([
      { type: 'failure', silo: 'c', code: 'deadline_exceeded' },
      { type: 'cancel', silo: 'c', taskId: 'run/1/c/1' },
      { type: 'aggregate', round: 2 },
    ]);
    table.send({
      ...{ type: 'update', at: table.at, silo: 'c', round: 1, taskId: 'run/1/c/1', baseVersion: 0 },
      update: { sha256: 'c-1', examples: 1 },
    });
    expect(table.refusal).toBe('round_closed');
    const longer = lateC({ staleness: { weight: { kind: 'constant' }, max: 2 } });
    longer.aggregated().update('a').update('b').aggregated().update('c');
    expect(inHand(longer)).toEqual(['c 2']);
  });

  it('are not carried past the last round', () => {
    const table = lateC({ count: 1 });
    expect(table.kinds()).toEqual(['failure', 'cancel', 'aggregate']);
    expect(table.state.carried).toEqual([]);
  });

  it('must be of the version that the task began from', () => {
    const table = lateC().aggregated();
    table.update('c', { baseVersion: 1 });
    expect(table.refusal).toBe('precondition_failed');
    table.update('c', { round: 2 });
    expect(table.refusal).toBe('not_assigned');
  });

  it('count for the quorum', () => {
    const table = lateC().aggregated().update('c').leave('b').leave('a');
    expect(table.state.phase).toBe('collecting');
    table.join('a').update('a');
    table.later(1000);
    expect(table.state.phase).toBe('aggregating');
    expect(inHand(table)).toEqual(['a 0', 'c 1']);
  });

  it('are told to a silo that comes back, with the version that they began from', () => {
    const table = lateC();
    expect(outstandingTasks(table.state, 'c')).toMatchObject([{ id: 'run/1/c/1', round: 1, baseVersion: 0 }]);
    table.aggregated();
    expect(outstandingTasks(table.state, 'c')).toMatchObject([{ id: 'run/1/c/1', round: 1, baseVersion: 0 }]);
    expect(outstandingTasks(table.state, 'a')).toMatchObject([{ id: 'run/2/a/1', round: 2, baseVersion: 1 }]);
  });

  it('are in the log: that the round did not wait, and how much of them counts', () => {
    const table = begin(['a', 'b', 'c'], rounds);
    table.update('a').update('b');
    const closing = { type: 'tick', at: 1000 } as const;
    expect(narrate(table.state, closing, step(table.state, closing))).toContainEqual({
      kind: 'task.carried',
      round: 1,
      silo: 'c',
      message: 'round 1 does not wait for c: its update will count in round 2',
    });
    table.later(1000).aggregated();
    const update = {
      type: 'update',
      ...{ at: 1000, silo: 'c', round: 1, taskId: 'run/1/c/1', baseVersion: 0 },
      update: { sha256: 'c', examples: 5 },
    } as const;
    expect(narrate(table.state, update, step(table.state, update))[0]).toMatchObject({
      kind: 'update.accepted',
      round: 2,
      message: 'update of c for round 2 is in (5 examples, 1 version old: 0.7071 of its step); 1 so far',
    });
  });

  it('are called off with a rollback, whichever round they were for', () => {
    const table = lateC({ count: 4 }).update('c').aggregated();
    table.send({ type: 'rollback', at: table.at, version: 0, reason: 'worse' });
    expect(table.effects).toContainEqual({ type: 'call-off', round: 2 });
    expect(table.state.carried).toEqual([]);
    table.aggregated();
    expect(table.assigned()).toEqual(['a', 'b', 'c']);
  });

  it('fail alone: the silo is asked afresh in the next round', () => {
    const table = lateC();
    table.fail('c');
    expect(table.kinds()).toEqual(['failure']);
    table.aggregated();
    expect(table.state.tasks[2]).toMatchObject({ silo: 'c', id: 'run/2/c/1', state: 'assigned' });
  });
});

describe('asynchronous runs (FedBuff)', () => {
  const rounds = { mode: 'async', minSilos: 1, updates: 2, count: 3, deadlineMs: 10_000 } as const;

  it('publish after K updates, whoever they are of; nobody waits for the slow', () => {
    const table = begin(['a', 'b', 'c'], rounds);
    table.update('a').update('b');
    expect(table.state.phase).toBe('aggregating');
    expect(table.kinds()).toEqual(['aggregate']); // c goes on
    table.aggregated();
    expect(table.assigned()).toEqual(['b']); // a has begun before
    expect(table.state.tasks).toMatchObject([
      { silo: 'a', round: 2, baseVersion: 0 },
      { silo: 'b', id: 'run/2/b/1' },
      { silo: 'c', round: 1, baseVersion: 0 },
    ]);
    table.update('c');
    expect(inHand(table)).toEqual(['c 1']);
  });

  it('give a silo new work as soon as it has delivered', () => {
    const table = begin(['a', 'b', 'c'], { ...rounds, updates: 3 });
    table.update('a');
    expect(table.assigned()).toEqual(['a']);
    expect(table.state.carried).toMatchObject([{ silo: 'a', round: 2, baseVersion: 0, state: 'assigned' }]);
    table.update('a'); // the second one waits for the next version
    expect(table.refusal).toBeUndefined();
    expect(table.assigned()).toEqual([]);
    expect(inHand(table)).toEqual(['a 0']);
    table.update('b').update('c').aggregated();
    expect(inHand(table)).toEqual(['a 1']);
    // b has begun before, c has waited for the version, and a works for the next one again.
    expect(table.assigned()).toEqual(['c', 'a']);
    expect(table.state.carried).toMatchObject([{ silo: 'a', round: 3, baseVersion: 1 }]);
  });

  it('publish at the deadline with fewer, as long as the quorum is there', () => {
    const table = begin(['a', 'b', 'c'], { ...rounds, updates: 3 })
      .update('a')
      .later(10_000);
    expect(table.state.phase).toBe('aggregating');
  });

  it('have at most `ask` silos at work at once', () => {
    const table = begin(['a', 'b', 'c', 'd'], { ...rounds, ask: 1, updates: 2 });
    const working = (): string[] =>
      [...table.state.tasks, ...table.state.carried]
        .filter(({ state }) => state === 'assigned')
        .map(({ silo }) => silo);
    expect(working()).toHaveLength(1);
    const [first = ''] = working();
    table.update(first);
    expect(working()).toHaveLength(1);
    expect(working()).not.toEqual([first]);
  });

  it('take whoever connects at once', () => {
    const table = begin(['a', 'b'], { ...rounds, updates: 3 }).join('c');
    expect(table.assigned()).toEqual(['c']);
  });

  it('begin no work that could not count any more', () => {
    const table = begin(['a', 'b', 'c'], { ...rounds, count: 1, updates: 3 }).update('a');
    expect(table.assigned()).toEqual([]);
  });

  it('do not wait for evaluators but at the end', () => {
    const table = new Table(policy({ ...rounds, count: 2 }, { every: 1 }), {
      trainers: ['a', 'b', 'c'],
      evaluators: ['e'],
    }).send({ type: 'begin', at: 0 });
    table.update('a').update('b').aggregated();
    expect(table.state.phase).toBe('collecting');
    expect(table.state.evaluations.map(({ version }) => version)).toContain(1);
    table.update('a').update('b').aggregated();
    expect(table.state.phase).toBe('evaluating');
  });

  it('give out nothing new while they are paused, and go on afterwards', () => {
    const table = begin(['a', 'b', 'c'], { ...rounds, updates: 3 });
    table.send({ type: 'pause', at: 0, reason: 'maintenance', hold: false });
    table.update('a');
    expect(table.assigned()).toEqual([]);
    table.send({ type: 'resume', at: 0 });
    expect(table.assigned()).toEqual(['a']);
  });

  it('close a round at once for which enough is in, and the log says whom it does not wait for', () => {
    const table = begin(['a', 'b', 'c'], rounds).update('a').update('b'); // b waits for the version
    table.update('a').at = 5;
    expect(table.state.phase).toBe('aggregating');
    const first = begin(['a', 'b', 'c', 'd'], { ...rounds, updates: 1, count: 4 })
      .update('a')
      .update('b');
    expect(first.state.phase).toBe('aggregating');
    const event = { type: 'aggregated', at: 1, round: 1 } as const;
    const lines = narrate(first.state, event, step(first.state, event));
    first.send(event);
    expect(first.state).toMatchObject({ round: 2, phase: 'aggregating' });
    expect(lines.filter(({ kind }) => kind === 'task.carried')).toMatchObject([
      { round: 2, silo: 'c' },
      { round: 2, silo: 'd' },
    ]);
  });

  it('end by themselves when silos of very different speed stay', () => {
    const table = begin(['fast', 'slow'], { ...rounds, updates: 2, count: 5, minSilos: 1 });
    for (let turn = 0; turn < 100 && table.state.phase !== 'done'; turn++) {
      if (table.task('fast')?.state === 'assigned') table.update('fast');
      if (turn % 10 === 9 && table.task('slow')?.state === 'assigned') table.update('slow');
      if (table.state.phase === 'aggregating') table.aggregated();
    }
    expect(table.state).toMatchObject({ phase: 'done', outcome: 'finished', version: 5 });
  });
});
