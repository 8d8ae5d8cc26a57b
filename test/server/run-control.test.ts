import { truncateSync } from 'node:fs';
import { join } from 'node:path';
import { createPublicKey, X509Certificate } from 'node:crypto';
import { beforeEach, describe, expect, it } from 'vitest';
import { manifestOf, replayRound } from '../../src/cli/audit/replay.js';
import { verifyChain } from '../../src/evidence/verify-chain.js';
import type { RunLogEntry } from '../../src/rpc/gen/fedrot/v1/RunLogEntry.js';
import { createRun, getRun, specOf, untilRun } from './support/harness.js';
import { siloGroup } from './support/silo-group.js';

/** An operator steers a run while silos work, over real sockets and across restarts. */
const NAMES = ['a', 'b'];
const SPEC = specOf({ rounds: { count: 3, minSilos: 2, deadlineMs: 60_000 } });

const group = siloGroup(NAMES);
beforeEach(() => group.setUp());

async function playRound(runId: string, round: number): Promise<void> {
  for (const name of NAMES) await group.submit(name, round);
  await untilRun(group.coordinator.admin, runId, ({ version }) => version >= round);
}

async function shas(runId: string): Promise<string[]> {
  const { adapters } = await group.coordinator.admin.listAdapters({ runId });
  return adapters.map(({ sha256 }) => sha256.toString('hex'));
}

async function events(runId: string, afterSeq = 0, minLevel = ''): Promise<RunLogEntry[]> {
  return (await group.coordinator.admin.listEvents({ runId, afterSeq, minLevel })).events;
}

describe('pause and resume', () => {
  it('lets the running round finish, survives a restart, and goes on', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await group.submit('a', 1);
    const paused = await admin.pauseRun({ runId, reason: 'audit' });
    expect(paused).toMatchObject({ paused: true, state: 'RUN_STATE_RUNNING' });
    await group.submit('b', 1);
    const resting = await untilRun(admin, runId, ({ state }) => state === 'RUN_STATE_PAUSED');
    expect(resting).toMatchObject({ version: 1, reason: 'paused: audit' });
    await group.restart();
    expect(await getRun(group.coordinator.admin, runId)).toMatchObject({
      state: 'RUN_STATE_PAUSED',
      version: 1,
    });
    await group.join();
    expect(await group.coordinator.admin.resumeRun({ runId })).toMatchObject({ paused: false, round: 2 });
    await playRound(runId, 2);
  });

  it('with hold keeps what comes, and aggregates it when resumed', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await group.submit('a', 1);
    expect(await admin.pauseRun({ runId, hold: true })).toMatchObject({
      state: 'RUN_STATE_PAUSED',
      deadlineMs: 0,
    });
    await group.submit('b', 1);
    expect(await getRun(admin, runId)).toMatchObject({ version: 0, phase: 'collecting' });
    await admin.resumeRun({ runId });
    await untilRun(admin, runId, ({ version }) => version === 1);
  });

  it('is refused for a run that is over', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await admin.stopRun({ runId });
    await expect(admin.pauseRun({ runId })).rejects.toMatchObject({ code: 'run_closed' });
  });
});

describe('rollback', () => {
  it('publishes the old factors as the new version, under the chain of evidence', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await playRound(runId, 1);
    await playRound(runId, 2);
    await group.submit('a', 3); // will not count
    const rolledBack = await admin.rollbackAdapter({ runId, version: 1, reason: 'round 2 was worse' });
    expect(rolledBack).toMatchObject({ version: 3, totalRounds: 4 });
    expect(rolledBack.rounds[2]).toMatchObject({
      rollback: { version: 1, reason: 'round 2 was worse' },
      updates: [],
      diagnosticsJson: '',
    });
    const [, first, , third] = await shas(runId);
    expect(third).toBe(first);

    // The next round begins with it, and what silos were told is called off.
    const silo = group.silos[0];
    expect((await silo?.task(4))?.train.adapter?.version).toBe(3);
    expect(silo?.received.some(({ cancel }) => cancel?.reason.includes('goes back') === true)).toBe(false); // a had delivered
    expect(group.silos[1]?.received.some(({ cancel }) => cancel?.reason.includes('goes back') === true)).toBe(
      true,
    );
    await playRound(runId, 4);
    expect(await untilRun(admin, runId, ({ phase }) => phase === 'done')).toMatchObject({ version: 4 });

    const { manifests, signersPem } = await admin.listRoundManifests({ runId });
    const keys = signersPem
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .filter((pem) => pem.includes('BEGIN'))
      .map((pem) =>
        createPublicKey(new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'pem' })),
      );
    expect(verifyChain(manifests, keys)).toMatchObject({ ok: true, rounds: 4 });
    const pathOf = (sha256: string) => join(group.folder, 'tensors', `${sha256}.safetensors`);
    for (const round of [1, 2, 3, 4]) {
      const { expected, computed } = replayRound(manifestOf(manifests, round), pathOf);
      expect(computed).toBe(expected);
    }
    // Another version in its place breaks the chain.
    const forged = manifests.map((text, index) =>
      index === 2
        ? text.replace(
            '"rollback":{"reason":"round 2 was worse","version":1}',
            '"rollback":{"reason":"round 2 was worse","version":0}',
          )
        : text,
    );
    expect(forged[2]).not.toBe(manifests[2]);
    expect(verifyChain(forged, keys)).toMatchObject({ ok: false, broken: { round: 3 } });

    const audit: string[] = [];
    for await (const { json } of admin.readAudit({})) audit.push(json);
    expect(
      audit.some((line) => line.includes('adapter.rollback') && line.includes('version 1 as version 3')),
    ).toBe(true);
  });

  it('works after the end of a run, and refuses what makes no sense', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, specOf({ rounds: { count: 1, minSilos: 2, deadlineMs: 60_000 } }));
    await expect(admin.rollbackAdapter({ runId, version: 0 })).rejects.toMatchObject({
      code: 'precondition_failed',
    });
    await playRound(runId, 1);
    await expect(admin.rollbackAdapter({ runId, version: 5 })).rejects.toMatchObject({ code: 'not_found' });
    expect(await admin.rollbackAdapter({ runId, version: 0 })).toMatchObject({
      version: 2,
      state: 'RUN_STATE_FINISHED',
      phase: 'done',
    });
    const [initial, , again] = await shas(runId);
    expect(again).toBe(initial);
    await group.restart();
    expect(await shas(runId)).toHaveLength(3);
    await group.join();
  });

  it('of a file that was damaged publishes nothing and says so', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await playRound(runId, 1);
    const [initial] = await shas(runId);
    truncateSync(join(group.folder, 'tensors', `${initial}.safetensors`), 100);
    await expect(admin.rollbackAdapter({ runId, version: 0 })).rejects.toMatchObject({
      code: 'storage_corrupt',
    });
    expect(await getRun(admin, runId)).toMatchObject({ version: 1, phase: 'collecting' });
    expect((await events(runId, 0, 'error')).map(({ kind }) => kind)).toEqual(['adapter.rollback-failed']);
    await playRound(runId, 2);
  });
});

describe('the log of a run', () => {
  it('says what happened, by cursor, across restarts; the watch tells of news', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    await playRound(runId, 1);
    const before = await events(runId);
    expect(before.map(({ kind }) => kind)).toEqual([
      'run.created',
      'round.started',
      'update.accepted',
      'update.accepted',
      'round.aggregating',
      'round.published',
      'round.started',
    ]);
    expect(before.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(await getRun(admin, runId)).toMatchObject({ lastEvent: 7 });
    await group.restart();
    await group.join();
    expect(await events(runId)).toEqual(before);
    const silo = group.silos[0];
    const { taskId } = (await silo?.task(2)) ?? { taskId: '' };
    await silo?.calls.reportFailure({ silo: 'a', taskId, code: 'data_empty', message: 'no rows left' });
    await untilRun(group.coordinator.admin, runId, ({ lastEvent }) => lastEvent > 7);
    const [failed] = await events(runId, 7, 'warn');
    expect(failed).toMatchObject({ kind: 'task.failed', silo: 'a', code: 'data_empty', round: 2 });
    const page = await group.coordinator.admin.listEvents({ runId, limit: 3 });
    expect(page.more).toBe(true);
    expect(page.events).toEqual(before.slice(0, 3));
    await expect(group.coordinator.admin.listEvents({ runId, minLevel: 'loud' })).rejects.toMatchObject({
      code: 'option_invalid',
    });
  });

  it('a long watch leaves no listeners behind', async () => {
    const { admin } = group.coordinator;
    const runId = await createRun(admin, SPEC);
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    try {
      let seen = 0;
      const silo = group.silos[0];
      const { taskId } = (await silo?.task(1)) ?? { taskId: '' };
      for await (const _event of admin.watchRun({ runId })) {
        if (++seen > 14) break;
        await silo?.calls.reportProgress({
          silo: 'a',
          taskId,
          step: seen,
          totalSteps: 20,
          loss: 1,
          phase: 'training',
        });
      }
      await new Promise((resolve) => setImmediate(resolve));
      expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
    } finally {
      process.off('warning', note);
    }
  });
});
