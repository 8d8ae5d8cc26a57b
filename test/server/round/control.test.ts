import { describe, expect, it } from 'vitest';
import { narrate } from '../../../src/server/round/narrate.js';
import { outstandingTasks } from '../../../src/server/round/outstanding.js';
import { initialState, type RunState } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import { upgradeState } from '../../../src/server/round/upgrade-state.js';
import { policy, Table } from './support.js';

const NO_EVALUATION = { every: 0 };

function running(): Table {
  return new Table(policy({}, NO_EVALUATION)).join('a', 'b');
}

function pause(table: Table, hold = false): Table {
  return table.send({ type: 'pause', at: table.at, reason: 'audit', hold });
}

function resume(table: Table): Table {
  return table.send({ type: 'resume', at: table.at });
}

function rollback(table: Table, version: number): Table {
  return table.send({ type: 'rollback', at: table.at, version, reason: 'worse' });
}

/** Both rounds done. */
function finished(): Table {
  return running().update('a').update('b').aggregated().update('a').update('b').aggregated();
}

describe('a paused run', () => {
  it('finishes the running round and begins no other one until it is resumed', () => {
    const table = pause(running()).update('a').update('b');
    expect(table.state.phase).toBe('aggregating');
    table.aggregated();
    expect(table.state).toMatchObject({ phase: 'waiting', version: 1, round: 1, reason: 'paused: audit' });
    table.later(100_000).leave('a').join('a');
    expect(table.state.phase).toBe('waiting');
    resume(table);
    expect(table.state).toMatchObject({ phase: 'collecting', round: 2, pause: null });
    expect(table.assigned()).toEqual(['a', 'b']);
  });

  it('that waits for silos begins nothing when they come', () => {
    const table = pause(new Table(policy({}, NO_EVALUATION))).join('a', 'b');
    expect(table.state).toMatchObject({ phase: 'waiting', round: 0 });
    expect(resume(table).state.phase).toBe('collecting');
  });

  it('with hold: the time of the round stands still, updates are taken, nothing is closed', () => {
    const table = running();
    table.later(400);
    pause(table, true);
    expect(table.state).toMatchObject({ phase: 'collecting', dueMs: 0, pause: { hold: true, leftMs: 600 } });
    table.later(5000).update('a').update('b');
    expect(table.refusal).toBeUndefined();
    expect(table.state.phase).toBe('collecting');
    resume(table);
    expect(table.state).toMatchObject({ phase: 'aggregating', round: 1 });
  });

  it('gives a held round what was left of its time, and tells its silos', () => {
    const table = running();
    table.later(400);
    pause(table, true).later(5000).update('a');
    resume(table);
    expect(table.state.dueMs).toBe(table.at + 600);
    expect(table.assigned()).toEqual(['b']);
    expect(outstandingTasks(table.state, 'b')).toMatchObject([{ deadlineMs: table.at + 600 }]);
    table.later(600);
    expect(table.state).toMatchObject({ phase: 'collecting', attempt: 2 });
  });

  it('holds a rest between two attempts too', () => {
    const table = running().fail('a').fail('b');
    expect(table.state).toMatchObject({ phase: 'waiting', round: 1 });
    pause(table, true).later(60_000);
    expect(table.state).toMatchObject({ phase: 'waiting', attempt: 1 });
    resume(table).later(60_000);
    expect(table.state).toMatchObject({ phase: 'collecting', attempt: 2 });
  });

  it('can be paused otherwise: a held round goes on', () => {
    const table = pause(pause(running(), true), false);
    expect(table.state).toMatchObject({ dueMs: 1000, pause: { hold: false, leftMs: 0 } });
  });

  it('can be stopped; one that is over cannot be paused or resumed', () => {
    const table = pause(running()).send({ type: 'stop', at: 0, reason: 'enough' });
    expect(table.state).toMatchObject({ phase: 'done', outcome: 'stopped' });
    expect(pause(table).refusal).toBe('run_closed');
    expect(resume(table).refusal).toBe('run_closed');
  });

  it('resumed without having been paused goes on as before', () => {
    const table = running();
    const before = table.state;
    expect(resume(table).state).toEqual(before);
  });
});

describe('a rollback', () => {
  it('calls the open round off and publishes the old version under its number, then goes on', () => {
    const table = running().update('a').update('b').aggregated().update('a');
    rollback(table, 0);
    expect(table.kinds()).toEqual(['call-off', 'cancel', 'aggregate']);
    expect(table.state).toMatchObject({
      phase: 'aggregating',
      round: 2,
      rollback: { version: 0 },
      tasks: [],
    });
    expect(table.update('b').refusal).toBe('round_closed');
    table.aggregated();
    expect(table.state).toMatchObject({
      phase: 'collecting',
      version: 2,
      round: 3,
      rollback: null,
      rollbacks: 1,
    });
    // The run has as many rounds as before.
    table.update('a').update('b').aggregated();
    expect(table.state).toMatchObject({ phase: 'done', outcome: 'finished', version: 3 });
  });

  it('after the end gives a version more, and the run is over as it was', () => {
    const table = rollback(finished(), 1);
    expect(table.state).toMatchObject({ phase: 'aggregating', outcome: 'finished', round: 3 });
    table.leave('a').join('a').later(10).send({ type: 'stop', at: table.at, reason: 'no' });
    expect(table.state.phase).toBe('aggregating');
    table.aggregated();
    expect(table.state).toMatchObject({ phase: 'done', outcome: 'finished', version: 3, round: 3 });
  });

  it('of a paused run leaves it paused', () => {
    const table = pause(running().update('a').update('b').aggregated(), true);
    rollback(table, 0).aggregated();
    expect(table.state).toMatchObject({ phase: 'waiting', version: 2, pause: { leftMs: 0 } });
    expect(resume(table).state).toMatchObject({ phase: 'collecting', round: 3 });
  });

  it('is refused for versions that are not there, the newest one, and while a version is being published', () => {
    const table = running().update('a').update('b').aggregated();
    expect(rollback(table, 7).refusal).toBe('not_found');
    expect(rollback(table, 1).refusal).toBe('precondition_failed');
    table.update('a').update('b');
    expect(rollback(table, 0).refusal).toBe('unavailable');
  });

  it('whose file is damaged leaves the newest version, and the run goes on', () => {
    const table = rollback(running().update('a').update('b').aggregated(), 0);
    const failed = { type: 'aggregation-failed', at: 5, round: 2, message: 'changed on the disk' } as const;
    table.send({ ...failed, code: 'storage_corrupt' });
    expect(table.state).toMatchObject({ phase: 'collecting', version: 1, round: 2, rollbacks: 0 });
    const over = rollback(finished(), 0).send({ ...failed, round: 3, code: 'storage_corrupt' });
    expect(over.state).toMatchObject({ phase: 'done', outcome: 'finished', version: 2 });
  });

  it('waits and tries again where the disk is full', () => {
    const table = rollback(running().update('a').update('b').aggregated(), 0);
    table.send({ type: 'aggregation-failed', at: 5, round: 2, code: 'storage_full', message: 'full' });
    expect(table.state).toMatchObject({ phase: 'aggregating', rollback: { version: 0 } });
    table.later(20_000);
    expect(table.kinds()).toEqual(['aggregate']);
  });
});

describe('the words for what happens', () => {
  const tell = (state: RunState, event: Parameters<typeof step>[1]): string[] =>
    narrate(state, event, step(state, event)).map(({ kind, message }) => `${kind}: ${message}`);

  it('say what came, what failed and what follows', () => {
    const table = running();
    const task = { silo: 'a', taskId: table.taskId('a'), round: 1, baseVersion: 0 };
    expect(
      tell(initialState('run', policy(), { trainers: ['a', 'b'], evaluators: [] }), { type: 'begin', at: 1 }),
    ).toEqual([
      'run.created: run run was created: 2 rounds, at least 2 silos each',
      'round.started: round 1 of 2 asks a, b',
    ]);
    expect(tell(table.state, { type: 'leave', at: 1, silo: 'a' })).toEqual([
      'silo.left: a is gone in round 1',
    ]);
    expect(
      tell(table.state, { type: 'update', at: 1, ...task, update: { sha256: 'x', examples: 1 } }),
    ).toEqual(['update.accepted: update of a for round 1 is in (1 example); 1 so far']);
    expect(
      tell(table.state, {
        type: 'task-failed',
        at: 1,
        silo: 'a',
        taskId: task.taskId,
        code: 'data_empty',
        message: 'no rows',
      }),
    ).toEqual(['task.failed: a: no rows']);
    table.update('a');
    expect(
      tell(table.state, {
        type: 'update',
        at: 1,
        ...task,
        silo: 'b',
        taskId: table.taskId('b'),
        update: { sha256: 'x', examples: 3 },
      }),
    ).toEqual([
      'update.accepted: update of b for round 1 is in (3 examples); 2 so far',
      'round.aggregating: round 1 combines 2 updates',
    ]);
    table.update('b');
    expect(tell(table.state, { type: 'aggregated', at: 1, round: 1 })).toEqual([
      'round.published: version 1 is published',
      'round.started: round 2 of 2 asks a, b',
    ]);
    expect(tell(table.state, { type: 'stop', at: 1, reason: 'enough' })).toEqual([
      'run.stopped: the run has been stopped: enough',
    ]);
  });

  it('say who missed a deadline, and what an update was refused for', () => {
    const table = running().update('a');
    expect(tell(table.state, { type: 'tick', at: 1000 })).toEqual([
      'task.failed: b: no update for round 1 by the deadline of attempt 1',
      'round.retried: round 1 of 2, attempt 2, asks b',
    ]);
  });
});

describe('a state that an older fedrot stored', () => {
  it('goes on', () => {
    const { pause: _p, rollback: _r, rollbacks: _n, ...old } = running().state;
    const state = upgradeState(old);
    expect(state).toEqual(running().state);
  });
});

describe('a start after the clock was set back', () => {
  it('leaves no deadline further off than it could be', () => {
    const table = new Table(policy({}, NO_EVALUATION));
    table.at = 3_600_000;
    table.join('a', 'b');
    table.send({ type: 'restarted', at: 1000 });
    expect(table.state).toMatchObject({ phase: 'collecting', dueMs: 2000 });
  });

  it('changes nothing otherwise', () => {
    const table = running();
    table.at = 400;
    const before = table.state;
    expect(table.send({ type: 'restarted', at: 400 }).state).toEqual(before);
  });

  it('shortens waiting for evaluators too', () => {
    const table = new Table(policy({}, { every: 1, timeoutMs: 500 }));
    table.at = 3_600_000;
    table.evaluator('e').join('a', 'b');
    expect(table.state.phase).toBe('evaluating');
    table.send({ type: 'restarted', at: 10 });
    expect(table.state).toMatchObject({ dueMs: 510, evaluations: [{ deadlineMs: 510 }] });
  });
});
