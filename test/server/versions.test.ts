import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'libsql';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/clock.js';
import { Connection } from '../../src/client/link/connection.js';
import { silentLogger } from '../../src/log.js';
import { commonProtocol } from '../../src/rpc/protocol.js';
import { parseRunSpec } from '../../src/run-spec.js';
import { openSqliteStore } from '../../src/server/store/sqlite.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { FakeSilo } from './support/fake-silo.js';
import {
  createRun,
  factors,
  getRun,
  pushBundle,
  removeFolder,
  specOf,
  startTestCoordinator,
  tempFolder,
  untilRun,
} from './support/harness.js';

let folder: string;
beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(() => removeFolder(folder));

describe('versions of the protocol', () => {
  it.each([
    [{ min: 1, max: 1 }, { min: 1, max: 1 }, 1],
    [{ min: 1, max: 2 }, { min: 1, max: 1 }, 1],
    [{ min: 1, max: 1 }, { min: 1, max: 2 }, 1],
    [{ min: 2, max: 3 }, { min: 1, max: 2 }, 2],
    [{ min: 2, max: 2 }, { min: 1, max: 1 }, undefined],
    [{ min: 1, max: 1 }, { min: 0, max: 0 }, undefined],
  ])('%o and %o agree on %s', (ours, theirs, agreed) => {
    expect(commonProtocol(ours, theirs)).toBe(agreed);
  });

  /** A real daemon's link to a real coordinator, each with its own versions. */
  async function register(
    coordinator: { min: number; max: number },
    silo: { min: number; max: number },
  ): Promise<number> {
    const running = await startTestCoordinator(folder, {}, { protocol: coordinator });
    const connection = new Connection({
      address: running.address,
      identity: { silo: 'a', role: 'SILO_ROLE_TRAINER', softwareVersion: 'x', examples: 1 },
      clock: systemClock,
      random: () => 0.5,
      logger: silentLogger,
      retry: { initialMs: 1, maxMs: 1, factor: 1, maxAttempts: 1 },
      protocol: silo,
    });
    try {
      return (await connection.session()).protocol;
    } finally {
      connection.close();
      await running.close();
    }
  }

  it('a coordinator one version newer than its silos works with them, and the reverse', async () => {
    expect(await register({ min: 1, max: 2 }, { min: 1, max: 1 })).toBe(1);
    expect(await register({ min: 1, max: 1 }, { min: 1, max: 2 })).toBe(1);
    expect(await register({ min: 1, max: 2 }, { min: 1, max: 2 })).toBe(2);
  });

  it('that have nothing in common are refused with what to do', async () => {
    await expect(register({ min: 2, max: 2 }, { min: 1, max: 1 })).rejects.toThrow(
      /silo a speaks protocol 1 to 1, this coordinator 2 to 2: update the older/,
    );
  });
});

/** The schema of the first release (migration 0001-first), as it stood in its file. */
const FIRST_SCHEMA = `
  CREATE TABLE kysely_migration (name varchar(255) NOT NULL PRIMARY KEY, timestamp varchar(255) NOT NULL);
  CREATE TABLE kysely_migration_lock (id varchar(255) NOT NULL PRIMARY KEY, is_locked integer DEFAULT 0 NOT NULL);
  INSERT INTO kysely_migration VALUES ('0001-first', '2026-01-01T00:00:00.000Z');
  INSERT INTO kysely_migration_lock VALUES ('migration_lock', 0);
  CREATE TABLE runs (run_id TEXT PRIMARY KEY, created_seq BIGINT NOT NULL, created_ms BIGINT NOT NULL,
    spec_json TEXT NOT NULL, snapshot_json TEXT NOT NULL, snapshot_seq BIGINT NOT NULL, last_seq BIGINT NOT NULL);
  CREATE TABLE events (run_id TEXT NOT NULL REFERENCES runs, seq BIGINT NOT NULL, at_ms BIGINT NOT NULL,
    event_json TEXT NOT NULL, PRIMARY KEY (run_id, seq));
  CREATE TABLE adapters (run_id TEXT NOT NULL REFERENCES runs, version INTEGER NOT NULL, sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL, created_ms BIGINT NOT NULL, PRIMARY KEY (run_id, version));
  CREATE TABLE rounds (run_id TEXT NOT NULL REFERENCES runs, round INTEGER NOT NULL, started_ms BIGINT NOT NULL,
    published_ms BIGINT NOT NULL, diagnostics_json TEXT NOT NULL, PRIMARY KEY (run_id, round));
  CREATE TABLE updates (run_id TEXT NOT NULL REFERENCES runs, round INTEGER NOT NULL, silo TEXT NOT NULL,
    task_id TEXT NOT NULL, sha256 TEXT NOT NULL, examples BIGINT NOT NULL, bytes BIGINT NOT NULL,
    loss DOUBLE PRECISION, steps BIGINT NOT NULL, seconds DOUBLE PRECISION NOT NULL, tokens BIGINT NOT NULL,
    received_ms BIGINT NOT NULL, PRIMARY KEY (run_id, round, silo));
  CREATE INDEX updates_by_silo ON updates (silo);
  CREATE TABLE evaluations (run_id TEXT NOT NULL REFERENCES runs, version INTEGER NOT NULL, silo TEXT NOT NULL,
    examples BIGINT NOT NULL, loss DOUBLE PRECISION, accuracy DOUBLE PRECISION, metrics_json TEXT NOT NULL,
    received_ms BIGINT NOT NULL, PRIMARY KEY (run_id, version, silo));
  CREATE TABLE silos (silo TEXT PRIMARY KEY, role TEXT NOT NULL, session_id TEXT NOT NULL,
    software_version TEXT NOT NULL, protocol INTEGER NOT NULL, examples BIGINT NOT NULL, labels_json TEXT NOT NULL,
    first_seen_ms BIGINT NOT NULL, last_seen_ms BIGINT NOT NULL);
  CREATE TABLE failures (id integer PRIMARY KEY AUTOINCREMENT, run_id text NOT NULL REFERENCES runs (run_id),
    round integer NOT NULL, silo text NOT NULL, task_id text NOT NULL, code text NOT NULL, message text NOT NULL,
    at_ms bigint NOT NULL);
  CREATE INDEX failures_by_run ON failures (run_id, id);`;

/** A database as the first release left it: a run with an update of its open round in hand. */
function firstDatabase(initial: string, bytes: number): void {
  const database = new Database(join(folder, 'fedrot.sqlite'));
  database.exec(FIRST_SCHEMA);
  const { sampling: _s, setAside: _a, ...rounds } = parseRunSpec(specOf()).rounds;
  const spec = { ...parseRunSpec(specOf()), rounds };
  const snapshot = {
    runId: 'old',
    policy: { rounds, evaluation: spec.evaluation },
    phase: 'collecting',
    outcome: null,
    reason: '',
    round: 1,
    attempt: 1,
    version: 0,
    startedMs: 1,
    dueMs: Date.now() + 60_000,
    trainers: ['a', 'b', 'c'],
    evaluators: [],
    tasks: ['a', 'b', 'c'].map((silo) => ({
      silo,
      id: `old/1/${silo}/1`,
      tries: 1,
      ...(silo === 'a'
        ? { state: 'done', update: { sha256: 'a'.repeat(64), examples: 3 } }
        : { state: 'assigned' }),
    })),
    evaluations: [],
    asked: [],
  };
  const insert = (sql: string, ...values: unknown[]): void => void database.prepare(sql).run(...values);
  insert(
    'INSERT INTO runs VALUES (?, 1, 1, ?, ?, 0, 1)',
    'old',
    JSON.stringify(spec),
    JSON.stringify(snapshot),
  );
  insert(
    'INSERT INTO events VALUES (?, 1, 2, ?)',
    'old',
    JSON.stringify({ type: 'leave', at: 2, silo: 'c' }),
  );
  insert('INSERT INTO adapters VALUES (?, 0, ?, ?, 1)', 'old', initial, bytes);
  insert(
    `INSERT INTO updates VALUES ('old', 1, 'a', 'old/1/a/1', ?, 3, 10, 0.5, 1, 1.5, 10, 2)`,
    'a'.repeat(64),
  );
  database.close();
}

describe('a database of the first release', () => {
  it('is brought up to date, and its run goes on', async () => {
    const { bytes, sha256 } = encodeTensorFile(factors(1, true));
    firstDatabase(sha256, bytes.length);
    const store = await openSqliteStore(folder);
    const [run] = await store.runs();
    expect(run).toMatchObject({ runId: 'old', seq: 1, logSeq: 0, events: [{ type: 'leave' }] });
    expect(run?.snapshot).toMatchObject({ pause: null, rollback: null, rollbacks: 0, standings: [] });
    expect(await store.update('old', 1, 'a')).toMatchObject({ countedIn: 1 });
    await store.close();

    mkdirSync(join(folder, 'tensors'), { recursive: true });
    writeFileSync(join(folder, 'tensors', `${sha256}.safetensors`), bytes);
    const coordinator = await startTestCoordinator(folder);
    try {
      expect(await getRun(coordinator.admin, 'old')).toMatchObject({ phase: 'collecting', round: 1 });
      // And runs that are new.
      await pushBundle(coordinator.admin);
      const silo = await new FakeSilo('n', coordinator.address).join();
      const runId = await createRun(
        coordinator.admin,
        specOf({ rounds: { count: 1, minSilos: 1, deadlineMs: 60_000 } }),
      );
      // The old run asks it too.
      const { taskId, train } = await silo.assignment((assignment) => assignment.train?.runId === runId);
      if (train) await silo.submit({ taskId, train }, factors(3));
      await untilRun(coordinator.admin, runId, ({ version }) => version === 1);
      silo.close();
    } finally {
      await coordinator.close();
    }
  });
});
