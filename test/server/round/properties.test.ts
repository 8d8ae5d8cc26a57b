import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/server/round/events.js';
import { nextWakeMs, outstandingTasks } from '../../../src/server/round/outstanding.js';
import { initialState, type RunState } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import { newestTasks } from '../../../src/server/round/tasks.js';
import { policy } from './support.js';

/** What the world does, in terms of the state of the moment, so that most actions mean something. */
type Action =
  | {
      readonly do: 'join' | 'leave' | 'update' | 'fail' | 'evaluated' | 'stale-update';
      readonly silo: number;
    }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'aggregated' }
  | { readonly do: 'aggregation-failed' };

type SiloAction = 'join' | 'leave' | 'update' | 'fail' | 'evaluated' | 'stale-update';

const SILOS = ['a', 'b', 'c', 'd', 'e'];
const silo = fc.nat(SILOS.length - 1);
const perSilo = (name: SiloAction) => fc.record({ do: fc.constant(name), silo });

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: perSilo('join') },
  { weight: 2, arbitrary: perSilo('leave') },
  { weight: 8, arbitrary: perSilo('update') },
  { weight: 2, arbitrary: perSilo('fail') },
  { weight: 1, arbitrary: perSilo('stale-update') },
  { weight: 3, arbitrary: perSilo('evaluated') },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(1500) }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('aggregated' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('aggregation-failed' as const) }) },
);

function eventOf(state: RunState, given: Action, at: number): RunEvent {
  if (given.do === 'wait') return { type: 'tick', at };
  if (given.do === 'aggregated') return { type: 'aggregated', at, round: state.round };
  if (given.do === 'aggregation-failed')
    return { type: 'aggregation-failed', at, round: state.round, code: 'storage_full', message: 'full' };
  const name = SILOS[given.silo] ?? 'a';
  const task = newestTasks(state).find((entry) => entry.silo === name);
  const own = task?.round ?? state.round;
  const round = given.do === 'stale-update' ? own - 1 : own;
  switch (given.do) {
    case 'join':
      return { type: 'join', at, silo: name, role: name === 'e' ? 'evaluator' : 'trainer' };
    case 'leave':
      return { type: 'leave', at, silo: name };
    case 'fail':
      return { type: 'task-failed', at, silo: name, taskId: task?.id ?? '', code: 'internal', message: '' };
    case 'evaluated':
      return { type: 'evaluated', at, silo: name, taskId: state.evaluations[0]?.id ?? '' };
    default:
      return {
        type: 'update',
        at,
        silo: name,
        round,
        taskId: task?.id ?? '',
        baseVersion: task?.baseVersion ?? state.version,
        update: { sha256: `${name}-${round}-${at}`, examples: 1 },
      };
  }
}

const runs = fc.record({
  minSilos: fc.integer({ min: 1, max: 3 }),
  count: fc.integer({ min: 1, max: 4 }),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  every: fc.nat(2),
  how: fc.constantFrom(
    ...([
      { mode: 'sync', late: 'refuse' },
      { mode: 'sync', late: 'carry' },
    ] as const),
    { mode: 'async', late: 'refuse' } as const,
  ),
  actions: fc.array(action, { maxLength: 80 }),
});

interface Start {
  readonly minSilos: number;
  readonly count: number;
  readonly maxAttempts: number;
  readonly every: number;
  readonly how: Pick<RunState['policy']['rounds'], 'mode' | 'late'>;
}

function startOf({ minSilos, count, maxAttempts, every, how }: Start): RunState {
  return initialState('run', policy({ minSilos, count, maxAttempts, ...how }, { every }));
}

describe('whatever happens', () => {
  it('keeps the invariants of a run', () => {
    fc.assert(
      fc.property(runs, (run) => {
        let state = startOf(run);
        let at = 1;
        const counted = new Map<string, string>();
        for (const given of run.actions) {
          if (given.do === 'wait') at += given.ms;
          const before = state;
          const event = eventOf(state, given, at);
          const { state: after, effects, refusal } = step(state, event);
          state = after;
          // Versions go up by one, only when an aggregation ends.
          expect(after.version - before.version).toBe(
            event.type === 'aggregated' && after.version !== before.version ? 1 : 0,
          );
          expect([after.version, after.version + 1]).toContain(after.round);
          // An update counts once, and stays what it was until its round is over.
          for (const task of after.tasks.filter((entry) => entry.update)) {
            const key = `${after.round}/${task.silo}`;
            expect(task.state).toBe('done');
            expect(counted.get(key) ?? task.update?.sha256).toBe(task.update?.sha256);
            counted.set(key, task.update?.sha256 ?? '');
          }
          if (refusal) expect(after.tasks.filter((task) => task.update)).toEqual(tasksAfterTime(before, at));
          // Never fewer updates than the quorum.
          for (const effect of effects)
            if (effect.type === 'aggregate')
              expect(after.tasks.filter((task) => task.state === 'done').length).toBeGreaterThanOrEqual(
                run.minSilos,
              );
          // Nothing waits beyond its time, and every assignment told is one that is outstanding.
          if (after.dueMs > 0) expect(after.dueMs).toBeGreaterThan(at);
          expect(nextWakeMs(after) ?? at + 1).toBeGreaterThan(at);
          if (after.phase === 'collecting') expect(after.dueMs).toBeGreaterThan(0);
          if (after.phase === 'done') expect(after.outcome).not.toBeNull();
          for (const effect of effects)
            if (effect.type === 'assign' && after.phase === 'collecting' && effect.silo !== 'e')
              expect(outstandingTasks(after, effect.silo).map((task) => task.id)).toContain(effect.taskId);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('ends once silos stay and answer', () => {
    fc.assert(
      fc.property(runs, (run) => {
        let state = startOf(run);
        let at = 1;
        for (const given of run.actions) {
          if (given.do === 'wait') at += given.ms;
          state = step(state, eventOf(state, given, at)).state;
        }
        for (const name of SILOS)
          state = step(state, {
            type: 'join',
            at,
            silo: name,
            role: name === 'e' ? 'evaluator' : 'trainer',
          }).state;
        for (let turn = 0; turn < 500 && state.phase !== 'done'; turn++) {
          at = Math.max(at, nextWakeMs(state) ?? at);
          state = step(state, { type: 'tick', at }).state;
          for (const [index] of SILOS.entries()) {
            state = step(state, eventOf(state, { do: 'update', silo: index }, at)).state;
            state = step(state, eventOf(state, { do: 'aggregated' }, at)).state;
            state = step(state, eventOf(state, { do: 'evaluated', silo: index }, at)).state;
          }
        }
        expect(state.phase).toBe('done');
      }),
      { numRuns: 400 },
    );
  });

  it('is a function of state and event: a stored state goes on as the one in memory', () => {
    fc.assert(
      fc.property(runs, (run) => {
        let live = startOf(run);
        let stored = JSON.stringify(live);
        for (const [index, given] of run.actions.entries()) {
          const event = eventOf(live, given, index * 50 + 1);
          live = step(live, event).state;
          stored = JSON.stringify(step(JSON.parse(stored) as RunState, event).state);
          expect(JSON.parse(stored)).toEqual(live);
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** The counted updates that a tick leaves: what a refused event must leave too. */
function tasksAfterTime(state: RunState, at: number): RunState['tasks'] {
  return step(state, { type: 'tick', at }).state.tasks.filter((task) => task.update);
}
