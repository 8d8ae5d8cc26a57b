import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/server/round/events.js';
import { narrate } from '../../../src/server/round/narrate.js';
import { nextWakeMs } from '../../../src/server/round/outstanding.js';
import { standingOf } from '../../../src/server/round/standing.js';
import { baseOf, roundOf, stalenessOf } from '../../../src/server/round/staleness.js';
import { initialState, type RunState, type TaskState } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import { assignedTasks, newestTasks } from '../../../src/server/round/tasks.js';
import type { Effect, Step } from '../../../src/server/round/effects.js';
import { policy } from './support.js';

/**
 * The reducer against a model that knows only what may never be otherwise: which updates were acknowledged and are in no version yet, which
 * version is the newest, who is connected, whether the run is held or over. 10,000 random sequences of events under random policies:
 * synchronous, with late updates carried over, and asynchronous.
 */
const SEQUENCES = 10_000;
const SILOS = ['a', 'b', 'c', 'd', 'e', 'f'];

class Model {
  version = 0;
  /** Acknowledged and in no version yet: hash → silo. */
  readonly counted = new Map<string, string>();
  /** Of these, what the version that is being made is made of. */
  readonly closing = new Set<string>();
  readonly deliveredTasks = new Set<string>();
  readonly connected = new Set<string>();
  over: string | null = null;
  paused = false;
  held = false;
  rollback: number | null = null;
  rollbacks = 0;
  aggregating = 0;

  constructor(private readonly start: RunState) {}

  /** What an event has brought about, held against what the model knows. Returns what does not fit. */
  take(before: RunState, event: RunEvent, result: Step): string | undefined {
    const { state, effects, refusal } = result;
    const { rounds } = this.start.policy;
    if (this.over !== null && state.outcome !== this.over) return 'the outcome changed after the end';
    const delivered = this.#open();
    if (event.type === 'update' && refusal === undefined && before.phase !== 'done') {
      if (this.deliveredTasks.has(event.taskId)) return `task ${event.taskId} was answered twice`;
      if (rounds.mode === 'sync' && delivered.has(event.silo)) return `${event.silo} was counted twice`;
      const old = event.baseVersion < before.version && rounds.mode === 'sync' && rounds.late === 'refuse';
      if (old) return 'an old update was taken';
      this.counted.set(event.update.sha256, event.silo);
      this.deliveredTasks.add(event.taskId);
    }
    if (state.version !== this.version) {
      if (event.type !== 'aggregated' || this.aggregating !== this.version + 1)
        return 'a version was published that nothing had been asked to make';
      if (state.version !== this.version + 1) return 'versions went up by more than one';
      this.version = state.version;
      if (this.rollback !== null) this.rollbacks++;
      this.rollback = null;
      this.aggregating = 0;
      for (const sha256 of this.closing) this.counted.delete(sha256);
      this.closing.clear();
      delivered.clear();
      for (const silo of this.#open()) delivered.add(silo);
    } else if (before.rollback !== null && state.rollback === null) {
      this.rollback = null; // given up
      this.aggregating = 0;
    }
    for (const effect of effects) {
      const wrong = this.#effect(effect, before, state, delivered);
      if (wrong !== undefined) return wrong;
    }
    this.#follow(event, refusal === undefined && before.phase !== 'done');
    if (state.outcome !== null) this.over = state.outcome;
    if (state.outcome === 'finished' && state.version < rounds.count + this.rollbacks)
      return 'finished before its last round';
    if (state.outcome === 'finished' && this.counted.size > 0 && before.outcome === null)
      return `finished, and ${[...this.counted.values()].join()} were acknowledged in vain`;
    const open = state.round === state.version + 1;
    const mine = JSON.stringify([...this.counted].sort());
    const theirs = JSON.stringify([...inHand(open ? state.tasks : []), ...inHand(state.carried)].sort());
    if (state.phase !== 'done' && state.rollback === null && mine !== theirs)
      return `counted are ${theirs}, acknowledged were ${mine}`;
    const wrong = placement(state, open);
    if (wrong !== undefined) return wrong;
    if (this.held && state.phase === 'collecting' && state.dueMs !== 0)
      return 'the time of a held round runs';
    return undefined;
  }

  /** Silos with an update that is not in the version that is being made. */
  #open(): Set<string> {
    return new Set([...this.counted].filter(([sha256]) => !this.closing.has(sha256)).map(([, silo]) => silo));
  }

  #effect(
    effect: Effect,
    before: RunState,
    state: RunState,
    delivered: ReadonlySet<string>,
  ): string | undefined {
    const { rounds } = this.start.policy;
    if (effect.type === 'call-off') {
      this.counted.clear();
      this.closing.clear();
    }
    if (effect.type === 'aggregate') {
      this.aggregating = effect.round;
      this.rollback = state.rollback?.version ?? null;
      if (effect.round !== this.version + 1) return `round ${effect.round} follows version ${this.version}`;
      if (before.phase === 'aggregating' && before.round === effect.round && before.dueMs === 0)
        return `round ${effect.round} is being aggregated already`;
      if (state.rollback !== null) return undefined;
      for (const [sha256] of inHand(state.tasks)) this.closing.add(sha256);
      if (this.closing.size < rounds.minSilos)
        return `aggregated with ${this.closing.size} of ${rounds.minSilos} updates`;
    }
    if (effect.type === 'assign' && state.phase === 'collecting') {
      if (this.deliveredTasks.has(effect.taskId)) return `task ${effect.taskId} was given out again`;
      if (rounds.mode === 'sync' && delivered.has(effect.silo))
        return `${effect.silo} was asked for what it had delivered`;
      // A deadline that passes with the event of a silo that leaves asks it first, and then sees it go.
      const there = [before, state].flatMap(({ trainers, evaluators }) => [...trainers, ...evaluators]);
      if (!there.includes(effect.silo)) return `${effect.silo} was asked although it is gone`;
    }
    return undefined;
  }

  #follow(event: RunEvent, taken: boolean): void {
    if (event.type === 'join') this.connected.add(event.silo);
    if (event.type === 'leave') this.connected.delete(event.silo);
    if (!taken || this.over !== null) return;
    if (event.type === 'pause') {
      this.paused = true;
      this.held = event.hold;
    }
    if (event.type === 'resume') this.paused = this.held = false;
  }
}

/** Hash and silo of every update that is in. */
function inHand(tasks: readonly TaskState[]): [sha256: string, silo: string][] {
  return tasks.flatMap(({ silo, update }) => (update ? [[update.sha256, silo] as [string, string]] : []));
}

/** Who does what for which version. */
function placement(state: RunState, open: boolean): string | undefined {
  const { mode, late, staleness } = state.policy.rounds;
  if (mode === 'sync' && late === 'refuse' && state.carried.length > 0) return 'something was carried';
  for (const tasks of [state.tasks, state.carried, assignedTasks(state)])
    if (new Set(tasks.map(({ silo }) => silo)).size !== tasks.length) return 'a silo has two tasks';
  const most = staleness.max ?? (mode === 'async' ? 20 : 1);
  for (const task of open ? state.tasks : [])
    if (task.state !== 'late' && !between(stalenessOf(state, task), 0, most))
      return `${task.silo} is ${stalenessOf(state, task)} versions old`;
  for (const task of state.carried)
    if (!between(stalenessOf(state, task) + 1, 0, most))
      return `${task.silo} will be ${stalenessOf(state, task) + 1} versions old`;
  return undefined;
}

const between = (value: number, low: number, high: number): boolean => value >= low && value <= high;

interface Command {
  readonly kind: number;
  readonly silo: number;
  readonly ms: number;
}

/** Kinds by weight: most of them mean something in the state of the moment. */
const KINDS: readonly RunEvent['type'][] = [
  ...(['join', 'join', 'join', 'leave', 'leave', 'update', 'update', 'update', 'update', 'update'] as const),
  ...(['update', 'task-failed', 'task-failed', 'tick', 'tick', 'tick', 'aggregated', 'aggregated'] as const),
  ...(['aggregated', 'aggregation-failed', 'evaluated', 'pause', 'resume', 'rollback', 'restarted'] as const),
];

let updates = 0;

function eventOf(state: RunState, { kind, silo, ms }: Command, at: number): RunEvent {
  const name = SILOS[silo % SILOS.length]!;
  const type = KINDS[kind % KINDS.length]!;
  const task = newestTasks(state).find((entry) => entry.silo === name);
  const round = task === undefined ? state.round : roundOf(state, task);
  const odd = ms % 7 === 0;
  switch (type) {
    case 'join':
      return { type, at, silo: name, role: name === 'f' ? 'evaluator' : 'trainer', examples: silo * 10 };
    case 'leave':
      return { type, at, silo: name };
    case 'update':
      return {
        type,
        at,
        silo: name,
        round: odd ? round - 1 : round,
        taskId: task?.id ?? '',
        baseVersion: task === undefined ? state.version : baseOf(state, task),
        update: { sha256: `${name}-${updates++}`, examples: 1 },
      };
    case 'task-failed':
      return { type, at, silo: name, taskId: task?.id ?? '', code: 'internal', message: 'it broke' };
    case 'aggregated':
      return { type, at, round: odd ? state.round + 1 : state.round };
    case 'aggregation-failed':
      return { type, at, round: state.round, code: odd ? 'internal' : 'storage_full', message: 'no' };
    case 'evaluated':
      return { type, at, silo: 'f', taskId: state.evaluations[0]?.id ?? '' };
    case 'pause':
      return { type, at, reason: 'why', hold: odd };
    case 'rollback':
      return { type, at, version: Math.max(0, state.version - 1 - (silo % 2)), reason: 'worse' };
    default:
      return { type, at } as RunEvent;
  }
}

const scenario = fc.record({
  minSilos: fc.integer({ min: 1, max: 3 }),
  count: fc.integer({ min: 1, max: 3 }),
  maxAttempts: fc.integer({ min: 1, max: 3 }),
  extra: fc.nat(2),
  more: fc.nat(3),
  sampling: fc.constantFrom('uniform' as const, 'examples' as const, 'round-robin' as const),
  factor: fc.option(fc.constantFrom(1, 2, 5), { nil: undefined }),
  failures: fc.nat(3),
  every: fc.nat(2),
  how: fc.constantFrom(
    ...([
      { mode: 'sync', late: 'refuse' },
      { mode: 'sync', late: 'carry' },
    ] as const),
    { mode: 'async', late: 'refuse' } as const,
  ),
  old: fc.option(fc.constantFrom(1, 2, 3), { nil: undefined }),
  commands: fc.array(fc.record({ kind: fc.nat(1000), silo: fc.nat(11), ms: fc.nat(900) }), {
    minLength: 10,
    maxLength: 30,
  }),
});

describe('the reducer, held against a model', () => {
  it(`agrees in ${SEQUENCES} random sequences of events`, { timeout: 120_000 }, () => {
    let events = 0;
    fc.assert(
      fc.property(scenario, (run) => {
        const { minSilos, count, maxAttempts, sampling, failures, every } = run;
        const updates = run.extra === 2 ? undefined : minSilos + run.extra;
        const ask = run.more === 3 ? undefined : (updates ?? minSilos) + run.more;
        let state = initialState(
          'run',
          policy(
            {
              ...{ minSilos, count, maxAttempts, sampling, setAside: { failures, forMs: 2000 } },
              ...run.how,
              staleness: {
                weight: { kind: 'constant' },
                ...(run.old !== undefined && { max: run.old }),
              },
              ...(updates !== undefined && { updates }),
              ...(ask !== undefined && { ask }),
              ...(run.factor !== undefined && { deadlineFactor: run.factor }),
            },
            { every },
          ),
        );
        const model = new Model(state);
        let at = 1;
        for (const command of run.commands) {
          at += command.ms;
          // Time first, as the reducer has it: then no event stands for two.
          for (const next of [() => ({ type: 'tick', at }) as const, () => eventOf(state, command, at)]) {
            const before = state;
            const event = next();
            const result = step(before, event);
            state = result.state;
            events++;
            const wrong = model.take(before, event, result) ?? invariants(before, event, result, ask, at);
            if (wrong !== undefined)
              return expect.fail(`${wrong}\nafter ${JSON.stringify(event)}\nin ${JSON.stringify(before)}`);
          }
        }
        return true;
      }),
      { numRuns: SEQUENCES },
    );
    expect(events).toBeGreaterThan(SEQUENCES * 10);
  });
});

/** What every step keeps to, whatever came before. */
function invariants(
  before: RunState,
  event: RunEvent,
  result: Step,
  ask: number | undefined,
  at: number,
): string | undefined {
  const { state, effects } = result;
  if (state.dueMs > 0 && state.dueMs <= at) return 'something is overdue';
  if ((nextWakeMs(state) ?? at + 1) <= at) return 'it wants to be woken in the past';
  if (state.phase === 'collecting' && state.dueMs === 0 && state.pause?.hold !== true)
    return 'a round without a deadline';
  if (state.pause !== null && state.round > before.round && state.rollback === null && before.pause !== null)
    return 'a paused run began a round';
  if (
    before.round !== state.round &&
    ask !== undefined &&
    state.phase === 'collecting' &&
    state.policy.rounds.mode === 'sync' &&
    state.tasks.filter((task) => task.baseVersion === undefined).length > ask
  )
    return `${state.tasks.length} silos were asked at the start of a round, ${ask} are allowed`;
  for (const effect of effects)
    if (effect.type === 'assign' && state.trainers.includes(effect.silo) && state.phase === 'collecting')
      if (
        standingOf(state, effect.silo).asideUntilMs > 0 &&
        standingOf(before, effect.silo).asideUntilMs > at
      )
        return `${effect.silo} was asked although it is set aside`;
  const lines = narrate(before, event, result);
  const told = lines.filter(({ kind }) => kind === 'task.failed').length;
  if (told !== effects.filter(({ type }) => type === 'failure').length) return 'a failure is not in the log';
  if (state.version > before.version && !lines.some(({ kind }) => kind === 'round.published'))
    return 'a publication is not in the log';
  if (state.outcome !== before.outcome && !lines.some(({ kind }) => kind.startsWith('run.')))
    return 'the end is not in the log';
  return undefined;
}
