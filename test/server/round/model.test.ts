import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RunEvent } from '../../../src/server/round/events.js';
import { narrate } from '../../../src/server/round/narrate.js';
import { nextWakeMs } from '../../../src/server/round/outstanding.js';
import { standingOf } from '../../../src/server/round/standing.js';
import { initialState, type RunState } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import type { Effect, Step } from '../../../src/server/round/effects.js';
import { policy } from './support.js';

/**
 * The reducer against a model that knows only what may never be otherwise: which updates were acknowledged for the open round, which
 * version is the newest, who is connected, whether the run is held or over. 10,000 random sequences of events under random policies.
 */
const SEQUENCES = 10_000;
const SILOS = ['a', 'b', 'c', 'd', 'e', 'f'];

class Model {
  version = 0;
  readonly counted = new Map<string, string>();
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
    const delivered = new Set(this.counted.keys());
    if (event.type === 'update' && refusal === undefined && before.phase !== 'done') {
      if (this.counted.has(event.silo)) return `${event.silo} was counted twice`;
      this.counted.set(event.silo, event.update.sha256);
    }
    if (state.version !== this.version) {
      if (event.type !== 'aggregated' || this.aggregating !== this.version + 1)
        return 'a version was published that nothing had been asked to make';
      if (state.version !== this.version + 1) return 'versions went up by more than one';
      this.version = state.version;
      if (this.rollback !== null) this.rollbacks++;
      this.rollback = null;
      this.aggregating = 0;
      this.counted.clear();
      delivered.clear();
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
    const open = state.round === state.version + 1;
    const mine = JSON.stringify([...this.counted].sort());
    const theirs = JSON.stringify(
      state.tasks.flatMap(({ silo, update }) => (update ? [[silo, update.sha256]] : [])).sort(),
    );
    if (open && state.phase !== 'done' && state.rollback === null && mine !== theirs)
      return `counted are ${theirs}, acknowledged were ${mine}`;
    if (this.held && state.phase === 'collecting' && state.dueMs !== 0)
      return 'the time of a held round runs';
    return undefined;
  }

  #effect(
    effect: Effect,
    before: RunState,
    state: RunState,
    delivered: ReadonlySet<string>,
  ): string | undefined {
    const { rounds } = this.start.policy;
    if (effect.type === 'call-off') this.counted.clear();
    if (effect.type === 'aggregate') {
      this.aggregating = effect.round;
      this.rollback = state.rollback?.version ?? null;
      if (effect.round !== this.version + 1) return `round ${effect.round} follows version ${this.version}`;
      if (state.rollback === null && this.counted.size < rounds.minSilos)
        return `aggregated with ${this.counted.size} of ${rounds.minSilos} updates`;
    }
    if (effect.type === 'assign' && state.phase === 'collecting') {
      if (delivered.has(effect.silo)) return `${effect.silo} was asked for what it had delivered`;
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

function eventOf(state: RunState, { kind, silo, ms }: Command, at: number): RunEvent {
  const name = SILOS[silo % SILOS.length]!;
  const type = KINDS[kind % KINDS.length]!;
  const task = state.tasks.find((entry) => entry.silo === name);
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
        round: odd ? state.round - 1 : state.round,
        taskId: task?.id ?? '',
        baseVersion: state.version,
        update: { sha256: `${name}-${at}`, examples: 1 },
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
    state.tasks.length > ask
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
