import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseRunSpec } from '../../../src/run-spec.js';
import { initialState } from '../../../src/server/round/state.js';
import type { RunEvent } from '../../../src/server/round/events.js';
import type { RunChange, RunLogEntry, Store, UpdateRecord } from '../../../src/server/store/store.js';

/** What a kind of store has to offer to be put to the test. */
export interface StoreUnderTest {
  open(): Promise<Store>;
  /** Closes and opens again what `open` gave: what was stored must still be there. */
  reopen(store: Store): Promise<Store>;
  tearDown(): Promise<void>;
}

const spec = parseRunSpec({
  name: 'mail',
  bundle: 'b'.repeat(64),
  task: { kind: 'text-classification', labels: ['ham', 'spam'] },
});
const state = initialState('mail-1', spec);
const sha = (letter: string): string => letter.repeat(64);
const newRun = { runId: 'mail-1', spec, createdMs: 5, state, initial: { sha256: sha('0'), bytes: 100 } };
const tick = (at: number): RunEvent => ({ type: 'tick', at });

function updateOf(silo: string, round = 1): UpdateRecord {
  return {
    round,
    countedIn: round,
    silo,
    taskId: `mail-1/${round}/${silo}/1`,
    baseVersion: round - 1,
    sha256: sha('a'),
    examples: 2 ** 53 - 1,
    bytes: 4096,
    loss: 0.1 + 0.2,
    steps: 20,
    seconds: 1.5,
    tokens: 1e12,
    receivedMs: 1_790_000_000_000,
  };
}

function change(from: number, rest: Partial<RunChange> = {}): RunChange {
  return { runId: 'mail-1', events: [{ seq: from, event: tick(from) }], ...rest };
}

function entry(seq: number, level: RunLogEntry['level'] = 'info'): RunLogEntry {
  const message = `line ${seq}`;
  return { seq, atMs: seq, level, kind: 'run.waiting', round: 1, silo: 'a', code: '', message };
}

/** The suite that every implementation of Store passes. */
export function storeContract(name: string, setUp: () => Promise<StoreUnderTest>): void {
  describe(`store contract: ${name}`, () => {
    let kind: StoreUnderTest;
    let store: Store;

    beforeEach(async () => {
      kind = await setUp();
      store = await kind.open();
    });

    afterEach(async () => {
      await store.close();
      await kind.tearDown();
    });

    it('is empty at first', async () => {
      expect(await store.runs()).toEqual([]);
      expect(await store.silos()).toEqual([]);
      expect(await store.referencedFiles()).toEqual(new Set());
      await store.check();
    });

    it('keeps a run with its initial adapter', async () => {
      await store.createRun(newRun);
      store = await kind.reopen(store);
      expect(await store.runs()).toEqual([
        { runId: 'mail-1', spec, createdMs: 5, snapshot: state, events: [], seq: 0, logSeq: 0 },
      ]);
      expect(await store.adapters('mail-1')).toEqual([
        { version: 0, sha256: sha('0'), bytes: 100, createdMs: 5 },
      ]);
    });

    it('refuses a second run of the same id, and keeps runs in order of creation', async () => {
      await store.createRun(newRun);
      await expect(store.createRun(newRun)).rejects.toMatchObject({ code: 'already_exists' });
      await store.createRun({ ...newRun, runId: 'a-second' });
      expect((await store.runs()).map((run) => run.runId)).toEqual(['mail-1', 'a-second']);
    });

    it('gives back the newest snapshot and the events after it', async () => {
      await store.createRun(newRun);
      await store.commit(change(1));
      await store.commit({ ...change(2), events: [2, 3].map((seq) => ({ seq, event: tick(seq) })) });
      expect((await store.runs())[0]).toMatchObject({ seq: 3, snapshot: state, events: [1, 2, 3].map(tick) });
      const later = { ...state, round: 1, attempt: 1 };
      await store.commit(change(4, { snapshot: later }));
      await store.commit(change(5));
      store = await kind.reopen(store);
      expect((await store.runs())[0]).toMatchObject({ seq: 5, snapshot: later, events: [tick(5)] });
    });

    it('refuses events out of order, and takes nothing of that change', async () => {
      await store.createRun(newRun);
      await expect(store.commit(change(2, { updates: [updateOf('a')] }))).rejects.toMatchObject({
        code: 'internal',
      });
      await store.commit(change(1));
      await expect(store.commit(change(1))).rejects.toMatchObject({ code: 'internal' });
      await expect(store.commit({ ...change(2), runId: 'another' })).rejects.toMatchObject({
        code: 'internal',
      });
      expect((await store.runs())[0]?.seq).toBe(1);
      expect(await store.update('mail-1', 1, 'a')).toBeUndefined();
    });

    it('keeps the log of a run, by cursor and level', async () => {
      await store.createRun(newRun);
      await store.commit(change(1, { log: [entry(1), entry(2, 'error')] }));
      await store.commit(change(2, { log: [entry(3, 'warn')] }));
      store = await kind.reopen(store);
      expect((await store.runs())[0]?.logSeq).toBe(3);
      const read = async (afterSeq: number, limit: number, levels: RunLogEntry['level'][]) =>
        (await store.log('mail-1', { afterSeq, limit, levels })).map(({ seq }) => seq);
      expect(await read(0, 10, ['info', 'warn', 'error'])).toEqual([1, 2, 3]);
      expect(await read(1, 1, ['info', 'warn', 'error'])).toEqual([2]);
      expect(await read(0, 10, ['warn', 'error'])).toEqual([2, 3]);
      expect(await store.log('mail-1', { afterSeq: 1, limit: 1, levels: ['error'] })).toEqual([
        entry(2, 'error'),
      ]);
      // Taken with its change, or not at all.
      await expect(store.commit(change(9, { log: [entry(4)] }))).rejects.toThrow();
      expect(await read(3, 10, ['info'])).toEqual([]);
    });

    it('does not count the updates of a round that was called off, and takes them anew', async () => {
      await store.createRun(newRun);
      await store.commit(change(1, { updates: [updateOf('a')] }));
      const ahead = { ...updateOf('c', 2), countedIn: 2 };
      await store.commit(change(2, { updates: [updateOf('b'), ahead], calledOff: 1 }));
      expect((await store.update('mail-1', 1, 'a'))?.countedIn).toBeNull();
      expect((await store.update('mail-1', 1, 'b'))?.countedIn).toBeNull();
      expect((await store.update('mail-1', 2, 'c'))?.countedIn).toBeNull();
      await store.commit(change(3, { updates: [updateOf('a')] }));
      expect((await store.update('mail-1', 1, 'a'))?.countedIn).toBe(1);
    });

    it('counts an update of a silo once a round: a second one takes its whole change with it', async () => {
      await store.createRun(newRun);
      await store.commit(change(1, { updates: [updateOf('a')] }));
      await expect(store.commit(change(2, { updates: [updateOf('b'), updateOf('a')] }))).rejects.toThrow();
      expect((await store.runs())[0]?.seq).toBe(1);
      expect(await store.update('mail-1', 1, 'b')).toBeUndefined();
      expect(await store.update('mail-1', 1, 'a')).toEqual(updateOf('a'));
      await store.commit(change(2, { updates: [updateOf('a', 2)] }));
    });

    it('counts what charts show of rounds, and gives one round whole', async () => {
      await store.createRun(newRun);
      const publish = (round: number) => ({
        round,
        startedMs: round * 10,
        publishedMs: round * 10 + 5,
        diagnosis: 'done' as const,
        diagnosticsJson: '{"aggregationError":0.5}',
        adapter: { sha256: sha(String(round)), bytes: 200 },
      });
      const heavy = { ...updateOf('b'), examples: 30, loss: 1, bytes: 7 };
      const light = { ...updateOf('a'), examples: 10, loss: 3, bytes: 5 };
      const mute = { ...updateOf('c'), examples: 99, loss: NaN, bytes: 1 };
      const failure = { round: 1, silo: 'd', taskId: 't', code: 'internal', message: 'm', atMs: 3 };
      await store.commit(
        change(1, { updates: [heavy, light, mute], failures: [failure], published: publish(1) }),
      );
      const evaluation = {
        silo: 'e',
        version: 1,
        examples: 5,
        loss: 1,
        accuracy: 0.5,
        metrics: {},
        receivedMs: 30,
      };
      await store.commit(
        change(2, { updates: [updateOf('a', 2)], published: publish(2), evaluations: [evaluation] }),
      );
      const all = await store.series('mail-1', { afterRound: 0, afterMs: -1 });
      expect(all.rounds.map(({ round }) => round)).toEqual([1, 2]);
      // Weighted by examples; the silo that said no loss does not count for it.
      expect(all.rounds[0]).toMatchObject({
        updates: 3,
        examples: 139,
        bytes: 13,
        trainLoss: 1.5,
        failures: 1,
      });
      expect(all.evaluations).toEqual([evaluation]);
      const rest = await store.series('mail-1', { afterRound: 1, afterMs: 30 });
      expect(rest.rounds.map(({ round }) => round)).toEqual([2]);
      expect(rest.evaluations).toEqual([]);
      const first = await store.round('mail-1', 1);
      expect(first?.updates.map(({ silo }) => silo)).toEqual(['a', 'b', 'c']);
      expect(first?.failures).toEqual([failure]);
      expect(first?.totals).toEqual(all.rounds[0]);
      expect(await store.round('mail-1', 3)).toBeUndefined();
      expect(await store.contributions('mail-1', 2)).toEqual([
        { silo: 'a', rounds: 2, examples: updateOf('a', 2).examples },
        { silo: 'b', rounds: 1, examples: 30 },
        { silo: 'c', rounds: 1, examples: 99 },
      ]);
      expect((await store.contributions('mail-1', 1))[0]).toEqual({ silo: 'a', rounds: 1, examples: 10 });
    });

    it('counts a round that a late update was carried into beside its own once for the silo', async () => {
      await store.createRun(newRun);
      const late = { ...updateOf('a', 1), countedIn: 2, examples: 40 };
      await store.commit(change(1, { updates: [late, { ...updateOf('a', 2), examples: 30 }] }));
      expect(await store.contributions('mail-1', 2)).toEqual([{ silo: 'a', rounds: 1, examples: 40 }]);
    });

    it('keeps tokens of the HTTP side, new and changed', async () => {
      const token = {
        id: 'abc',
        sha256: sha('c'),
        name: 'ada',
        role: 'operator' as const,
        createdBy: 'operator:local',
        createdMs: 1,
        expiresMs: 2,
      };
      await store.saveHttpToken(token);
      await store.saveHttpToken({ ...token, revokedMs: 9 });
      store = await kind.reopen(store);
      expect(await store.httpTokens()).toEqual([{ ...token, revokedMs: 9 }]);
    });

    it('publishes a round with its adapter in one change', async () => {
      await store.createRun(newRun);
      const published = {
        round: 1,
        startedMs: 10,
        publishedMs: 20,
        diagnosis: 'done' as const,
        diagnosticsJson: '{"aggregationError":0.5}',
        adapter: { sha256: sha('1'), bytes: 200 },
      };
      await store.commit(change(1, { updates: [updateOf('b'), updateOf('a')], published }));
      store = await kind.reopen(store);
      expect(await store.adapters('mail-1')).toEqual([
        { version: 0, sha256: sha('0'), bytes: 100, createdMs: 5 },
        { version: 1, sha256: sha('1'), bytes: 200, createdMs: 20 },
      ]);
      expect(await store.history('mail-1')).toEqual({
        rounds: [published],
        updates: [updateOf('a'), updateOf('b')],
        failures: [],
        evaluations: [],
      });
      await expect(store.commit(change(2, { published }))).rejects.toThrow();
      expect(await store.referencedFiles()).toEqual(new Set([sha('0'), sha('1'), sha('a')]));
    });

    it('keeps failures in order, and evaluations by version and silo with the last word', async () => {
      await store.createRun(newRun);
      const failure = {
        round: 1,
        silo: 'b',
        taskId: 't',
        code: 'data_empty',
        message: 'no rows: ü',
        atMs: 7,
      };
      const score = {
        silo: 'e',
        version: 0,
        examples: 10,
        loss: 0.7,
        accuracy: null,
        metrics: { f1: 0.5 },
        receivedMs: 8,
      };
      await store.commit(change(1, { failures: [failure, { ...failure, silo: 'a' }], evaluations: [score] }));
      await store.commit(change(2, { evaluations: [{ ...score, accuracy: 0.25, loss: NaN }] }));
      const history = await store.history('mail-1');
      expect(history.failures.map((entry) => entry.silo)).toEqual(['b', 'a']);
      expect(history.failures[0]).toEqual(failure);
      expect(history.evaluations).toEqual([{ ...score, accuracy: 0.25, loss: NaN }]);

      await store.commit(
        change(3, { evaluations: ['f', 'c'].map((silo) => ({ ...score, silo, version: 1 })) }),
      );
      const said = async (version: number) =>
        (await store.evaluations('mail-1', version)).map(({ silo, version: of }) => [silo, of]);
      expect(await said(0)).toEqual([['e', 0]]);
      expect(await said(1)).toEqual([
        ['c', 1],
        ['f', 1],
      ]);
      expect(await said(2)).toEqual([]);
    });

    it('keeps silos, when they were first seen, and counts what they did', async () => {
      await store.createRun(newRun);
      const silo = {
        silo: 'b',
        role: 'trainer',
        sessionId: 's1',
        softwareVersion: '0.1.0',
        protocol: 1,
        examples: 50,
        labels: ['ham'],
        firstSeenMs: 1,
        lastSeenMs: 1,
      } as const;
      await store.saveSilo(silo);
      await store.saveSilo({ ...silo, sessionId: 's2', firstSeenMs: 9, lastSeenMs: 9 });
      await store.saveSilo({ ...silo, silo: 'a', role: 'evaluator' });
      await store.commit(change(1, { updates: [updateOf('b')] }));
      store = await kind.reopen(store);
      expect(await store.silos()).toEqual([
        { ...silo, silo: 'a', role: 'evaluator', updatesAccepted: 0, failures: 0 },
        { ...silo, sessionId: 's2', lastSeenMs: 9, updatesAccepted: 1, failures: 0 },
      ]);
    });

    it('takes changes that come at the same time one after the other', async () => {
      await store.createRun(newRun);
      await store.createRun({ ...newRun, runId: 'other' });
      const work = Array.from({ length: 20 }, (_, index) => [
        store.commit(change(index + 1)),
        store.commit({ ...change(index + 1), runId: 'other' }),
      ]).flat();
      await Promise.all(work);
      expect((await store.runs()).map((run) => run.seq)).toEqual([20, 20]);
    });

    it('keeps tokens, and lets each be used once', async () => {
      const token = {
        id: 'a1b2c3d4e5f6',
        sha256: sha('d'),
        identity: { kind: 'silo', name: 'hospital-a' },
        createdBy: 'operator:ada',
        createdMs: 5,
        expiresMs: 10,
      } as const;
      const later = { ...token, id: 'b', createdMs: 7 };
      expect(await store.saveToken(later)).toBe(true);
      expect(await store.saveToken(token)).toBe(true);
      const used = { ...token, used: { atMs: 6, keyId: sha('e') } };
      expect(await store.saveToken(used, 'used')).toBe(true);
      expect(await store.saveToken({ ...used, used: { atMs: 7, keyId: sha('f') } }, 'used')).toBe(false);
      expect(await store.tokens()).toEqual([used, later]);
    });

    it('keeps the serials of every party', async () => {
      const issued = { serial: 'ab', party: 'silo:a', issuedMs: 1, notAfterMs: 2 };
      await store.saveCertificate(issued);
      await store.saveCertificate({ ...issued, serial: 'cd' });
      await store.saveCertificate({ ...issued, serial: 'ef', party: 'operator:a' });
      expect([...(await store.serials('silo:a'))].sort()).toEqual(['ab', 'cd']);
      expect(await store.serials('silo:b')).toEqual([]);
    });
  });
}
