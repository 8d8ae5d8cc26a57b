import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock } from '../../../src/clock.js';
import { FedrotError } from '../../../src/errors.js';
import { silentLogger } from '../../../src/log.js';
import { parseRunSpec } from '../../../src/run-spec.js';
import { replay } from '../../../src/server/coordinator/replay.js';
import { RunActor } from '../../../src/server/coordinator/run-actor.js';
import { initialState } from '../../../src/server/round/state.js';
import type { RunChange, Store } from '../../../src/server/store/store.js';
import { specOf } from '../support/harness.js';

/** A clock that stands still until it is moved. */
class FakeClock implements Clock {
  #now = 1000;
  #timers: { readonly at: number; readonly fire: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  after(delayMs: number, fire: () => void): () => void {
    const timer = { at: this.#now + delayMs, fire };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((entry) => entry !== timer);
    };
  }

  /** Time passes, but no timer has had its turn yet. */
  lag(ms: number): void {
    this.#now += ms;
  }

  move(ms: number): void {
    this.lag(ms);
    const due = this.#timers.filter((timer) => timer.at <= this.#now);
    this.#timers = this.#timers.filter((timer) => timer.at > this.#now);
    for (const { fire } of due) fire();
  }
}

const spec = parseRunSpec(specOf({ rounds: { count: 1, minSilos: 2, deadlineMs: 1000, maxAttempts: 1 } }));
const state = initialState('run', spec);
let clock: FakeClock;
let commits: RunChange[];
let failure: FedrotError | undefined;
let actor: RunActor;

beforeEach(() => {
  clock = new FakeClock();
  commits = [];
  failure = undefined;
  const store: Pick<Store, 'commit'> = {
    commit: (change) => {
      if (failure) return Promise.reject(failure);
      commits.push(change);
      return Promise.resolve();
    },
  };
  actor = new RunActor({
    runId: 'run',
    spec,
    createdMs: 0,
    state,
    seq: 0,
    logSeq: 0,
    adapters: [],
    tensors: [],
    store: store as Store,
    clock,
    logger: silentLogger,
    onStep: () => undefined,
  });
  actor.start();
});

const join = (silo: string) => actor.send({ type: 'join', silo, role: 'trainer' });
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a run actor', () => {
  it('stores events that come together in one transaction, in order, and replays to the same state', async () => {
    await Promise.all(['a', 'b', 'c'].map(join));
    await actor.send({ type: 'leave', silo: 'b' });
    expect(commits.map(({ events }) => events.map(({ seq }) => seq))).toEqual([[1, 2, 3], [4]]);
    expect(commits[0]?.snapshot).toMatchObject({ phase: 'collecting' });
    const events = commits.flatMap((change) => change.events.map(({ event }) => event));
    expect(replay({ snapshot: state, events })).toEqual(actor.state);
  });

  it('answers only what is stored: a full disk rejects, changes nothing, and later the same event is taken', async () => {
    await join('a');
    failure = new FedrotError('storage_full', 'full');
    const before = actor.state;
    await expect(join('b')).rejects.toMatchObject({ code: 'storage_full' });
    expect(actor.state).toBe(before);
    failure = undefined;
    await join('b');
    expect(actor.state.phase).toBe('collecting');
    expect(commits.flatMap((change) => change.events.map(({ seq }) => seq))).toEqual([1, 2]);
  });

  it('wakes at the deadline; one that could not be stored is tried again', async () => {
    await Promise.all(['a', 'b'].map(join));
    failure = new FedrotError('storage_full', 'full');
    clock.move(1000);
    await settled();
    expect(actor.state.phase).toBe('collecting');
    failure = undefined;
    clock.move(5000);
    await settled();
    expect(actor.state).toMatchObject({ phase: 'done', outcome: 'failed' });
    expect(commits.at(-1)?.failures).toMatchObject([{ silo: 'a' }, { silo: 'b' }]);
  });

  it('does not store what changes nothing', async () => {
    await actor.send({ type: 'tick' });
    await actor.send({ type: 'stop', reason: 'enough' });
    await join('a');
    expect(commits).toHaveLength(1);
  });

  it('stores the records of an event that is taken, not those of one that is refused', async () => {
    await Promise.all(['a', 'b'].map(join));
    const taskId = actor.state.tasks[0]?.id ?? '';
    const record = {
      round: 1,
      silo: 'a',
      taskId,
      baseVersion: 0,
      sha256: 'x',
      examples: 1,
      bytes: 1,
      loss: 1,
      steps: 1,
      seconds: 1,
      tokens: 1,
      receivedMs: 1,
    };
    const update = (id: string) =>
      actor.send(
        {
          type: 'update',
          silo: 'a',
          round: 1,
          taskId: id,
          baseVersion: 0,
          update: { sha256: 'x', examples: 1 },
        },
        { updates: [record] },
      );
    expect((await update('wrong')).refusal).toMatchObject({ code: 'not_assigned' });
    expect((await update(taskId)).refusal).toBeUndefined();
    expect((await update(taskId)).refusal).toMatchObject({ code: 'already_exists' });
    expect(commits.flatMap((change) => change.updates ?? [])).toEqual([{ ...record, countedIn: 1 }]);

    // The deadline passes with the event that comes too late: the passing is stored, the update is not.
    clock.lag(5000);
    expect((await update(actor.state.tasks[1]?.id ?? '')).refusal).toMatchObject({ code: 'run_closed' });
    expect(actor.state.outcome).toBe('failed');
    expect(commits.flatMap((change) => change.updates ?? [])).toEqual([{ ...record, countedIn: 1 }]);
  });
});
