import { describe, expect, it } from 'vitest';
import { parseRunSpec } from '../../../src/run-spec.js';
import { narrate } from '../../../src/server/round/narrate.js';
import { nextWakeMs } from '../../../src/server/round/outstanding.js';
import { sample } from '../../../src/server/round/sample.js';
import { newStanding, roundTimeMs } from '../../../src/server/round/standing.js';
import { initialState, type RoundPolicy, type RunState } from '../../../src/server/round/state.js';
import { step } from '../../../src/server/round/step.js';
import { policy, Table } from './support.js';

const QUIET = { every: 0 };
const NAMES = ['a', 'b', 'c', 'd', 'e'];

/** Five trainers are there when the run begins. */
function five(rounds: Partial<RoundPolicy['rounds']>): Table {
  const table = new Table(policy(rounds, QUIET), { trainers: NAMES, evaluators: [] });
  return table.send({ type: 'begin', at: 0 });
}

const asked = (table: Table): string[] => table.state.tasks.map(({ silo }) => silo);

describe('over-selection', () => {
  it('asks more than it needs, closes when it has enough, and tells the others that they are not waited for', () => {
    const table = five({ ask: 4, updates: 3, minSilos: 2 });
    const silos = asked(table);
    expect(silos).toHaveLength(4);
    for (const silo of silos.slice(0, 3)) table.update(silo);
    expect(table.state.phase).toBe('aggregating');
    expect(table.effects).toMatchObject([
      { type: 'failure', silo: silos[3], code: 'round_closed' },
      { type: 'cancel', silo: silos[3] },
      { type: 'aggregate' },
    ]);
    // Nobody's fault: it does not count against the silo.
    expect(table.state.standings.every(({ failures }) => failures === 0)).toBe(true);
  });

  it('publishes with fewer at the deadline, as long as the quorum is there', () => {
    const table = five({ ask: 4, updates: 3, minSilos: 2 });
    for (const silo of asked(table).slice(0, 2)) table.update(silo);
    expect(table.state.phase).toBe('collecting');
    table.later(1000);
    expect(table.state.phase).toBe('aggregating');
  });

  it('asks somebody else in the place of one that failed', () => {
    const table = five({ ask: 2, minSilos: 2 });
    const [first = ''] = asked(table);
    table.fail(first);
    expect(table.assigned()).toHaveLength(1);
    expect(asked(table)).toHaveLength(3);
  });
});

describe('sampling', () => {
  const base = (rounds: Partial<RoundPolicy['rounds']>, round = 1): RunState => ({
    ...initialState('run', policy(rounds), { trainers: NAMES, evaluators: [] }),
    round,
  });

  it('is the same for the same seed and round, and differs between rounds', () => {
    const drawn = [1, 2, 3, 4, 5, 6].map((round) => sample(base({}, round), NAMES, 2).join());
    expect([1, 2, 3, 4, 5, 6].map((round) => sample(base({}, round), NAMES, 2).join())).toEqual(drawn);
    expect(new Set(drawn).size).toBeGreaterThan(1);
  });

  it('uniform: everyone alike', () => {
    const counts = countOf((round) => sample(base({}, round), NAMES, 2));
    // 2000 rounds, each silo in 2 of 5: 800 ± 5 σ (σ = 21.9).
    for (const name of NAMES) expect(Math.abs((counts.get(name) ?? 0) - 800)).toBeLessThan(110);
  });

  it('by examples: in proportion to them where one is drawn', () => {
    const standings = NAMES.map((name, index) => newStanding(name, index === 4 ? 600 : 100));
    const counts = countOf((round) =>
      sample({ ...base({ sampling: 'examples' }, round), standings }, NAMES, 1),
    );
    expect(Math.abs((counts.get('e') ?? 0) - 1200)).toBeLessThan(110);
  });

  it('round-robin: everyone once before anyone twice', () => {
    const table = five({ ask: 2, minSilos: 2, count: 5, sampling: 'round-robin' });
    const seen: string[] = [];
    for (let round = 1; round <= 5; round++) {
      seen.push(...asked(table));
      for (const silo of asked(table)) table.update(silo);
      table.aggregated();
    }
    for (const name of NAMES) expect(seen.filter((silo) => silo === name)).toHaveLength(2);
  });

  function countOf(draw: (round: number) => readonly string[]): Map<string, number> {
    const counts = new Map<string, number>();
    for (let round = 1; round <= 2000; round++)
      for (const name of draw(round)) counts.set(name, (counts.get(name) ?? 0) + 1);
    return counts;
  }
});

describe('a deadline by the median', () => {
  it('is deadlineMs at first, then a multiple of what silos took, never longer', () => {
    const table = five({ minSilos: 2, deadlineMs: 1000, deadlineFactor: 3 });
    expect(table.state.dueMs).toBe(1000);
    for (const [index, silo] of NAMES.entries()) {
      table.at = 50 * (index + 1);
      table.update(silo);
    }
    expect(table.state.answerMs).toEqual([50, 100, 150, 200, 250]);
    table.aggregated();
    expect(table.state.dueMs - table.at).toBe(450);
    expect(roundTimeMs({ ...table.state, answerMs: [900] })).toBe(1000);
    expect(roundTimeMs({ ...table.state, answerMs: [1] })).toBe(100);
    expect(roundTimeMs({ ...table.state, answerMs: [100, 200] })).toBe(450);
  });
});

describe('a silo that fails again and again', () => {
  /** a fails in every round, the others answer. */
  function failing(rounds: number): Table {
    const table = five({ minSilos: 2, count: 10 });
    for (let round = 0; round < rounds; round++) {
      table.fail('a');
      for (const silo of NAMES.slice(1)) table.update(silo);
      table.aggregated();
    }
    return table;
  }

  it('is set aside after three times, and the log says why', () => {
    const table = failing(2);
    expect(asked(table)).toContain('a');
    const before = table.state;
    const event = {
      type: 'task-failed',
      at: 0,
      silo: 'a',
      taskId: table.taskId('a'),
      code: 'data_empty',
      message: 'no rows',
    } as const;
    const lines = narrate(before, event, step(before, event)).filter(({ kind }) => kind === 'silo.set-aside');
    expect(lines).toMatchObject([{ silo: 'a' }]);
    expect(lines[0]?.message).toContain('3 failures in a row (data_empty: no rows)');
    expect(asked(failing(3))).toEqual(NAMES.slice(1));
  });

  it('comes back when its time is over, or when it connects anew', () => {
    const table = failing(3);
    expect(nextWakeMs(table.state)).toBeLessThanOrEqual(60_000);
    for (const silo of NAMES.slice(1)) table.update(silo);
    table.at = 60_000;
    table.aggregated();
    expect(asked(table)).toEqual(NAMES);

    const other = failing(3).leave('a').join('a');
    for (const silo of NAMES.slice(1)) other.update(silo);
    other.aggregated();
    expect(asked(other)).toContain('a');
  });

  it('is forgiven by an update in between', () => {
    const table = failing(2);
    for (const silo of NAMES) table.update(silo);
    table.aggregated().fail('a');
    expect(table.state.standings.find(({ silo }) => silo === 'a')).toMatchObject({
      failures: 1,
      asideUntilMs: 0,
    });
  });

  it('that is needed is waited for, and the run says so; missed deadlines count too', () => {
    const table = new Table(policy({ maxAttempts: 10, setAside: { failures: 3, forMs: 5000 } }, QUIET), {
      trainers: ['a', 'b'],
      evaluators: [],
    }).send({ type: 'begin', at: 0 });
    table.update('b').later(1000).later(1000).later(1000);
    expect(table.state).toMatchObject({ phase: 'waiting', round: 1 });
    expect(table.state.reason).toContain('a is set aside after 3 failures');
    table.later(5000);
    expect(table.state).toMatchObject({ phase: 'collecting', round: 1 });
  });

  it('is asked for ever with 0', () => {
    const table = five({ minSilos: 2, count: 10, setAside: { failures: 0, forMs: 1000 } });
    for (let round = 0; round < 5; round++) {
      table.fail('a');
      for (const silo of NAMES.slice(1)) table.update(silo);
      table.aggregated();
    }
    expect(asked(table)).toContain('a');
  });
});

describe('the specification of a round', () => {
  const spec = (rounds: object): unknown => ({
    name: 'mail',
    bundle: 'b'.repeat(64),
    task: { kind: 'text-classification', labels: ['ham', 'spam'] },
    rounds,
  });

  it('refuses numbers that no round could meet', () => {
    expect(() => parseRunSpec(spec({ minSilos: 3, updates: 2 }))).toThrow(
      /rounds.updates: 2 is fewer than minSilos/,
    );
    expect(() => parseRunSpec(spec({ minSilos: 2, updates: 4, ask: 3 }))).toThrow(/rounds.ask: 3 is fewer/);
    expect(parseRunSpec(spec({ minSilos: 2, updates: 3, ask: 5 })).rounds).toMatchObject({
      updates: 3,
      ask: 5,
    });
  });
});
