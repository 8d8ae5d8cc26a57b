import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { METHODS } from '../../src/align/methods.js';
import type { AggregateResult } from '../../src/align/types.js';
import { viewRounds } from '../../src/cli/run/run-view.js';
import { encodeTensorFile, memorySource } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { untilRun } from '../server/support/harness.js';
import { Federation } from './federation.js';
import { stubTrained } from './stub-trainer.js';

/** Every method, from a real coordinator to real daemons and back. */
let federation: Federation;
beforeEach(async () => {
  federation = await Federation.start();
});
afterEach(() => federation.close());

const data = (tensors: readonly NamedTensor[], end: string): Float32Array =>
  tensors.find(({ name }) => name.endsWith(end))!.data;

const METHODS_WITH_RANKS = METHODS.filter(({ allows }) => allows.ownRank).map(({ name }) => name);

/** What src/align makes of the updates that the coordinator has stored for a round. */
async function recomputed(
  runId: string,
  round: number,
  state?: readonly NamedTensor[],
): Promise<AggregateResult> {
  const run = await federation.coordinator.admin.getRun({ runId });
  const spec = federation.spec(JSON.parse(run.specJson) as object);
  const { updates } = run.rounds.find((record) => record.round === round)!;
  return aggregate({
    ...spec.aggregation,
    round,
    seed: spec.seed,
    previous: memorySource(await federation.version(runId, round - 1)),
    ...(state && { state: memorySource(state) }),
    updates: updates.map(({ silo, examples, sha256 }) => ({
      silo,
      weight: examples,
      tensors: memorySource(federation.tensors(sha256)),
    })),
  });
}

const sha = (tensors: readonly NamedTensor[]): string => encodeTensorFile(tensors).sha256;

describe('daemons do what a method asks', { timeout: 180_000 }, () => {
  it('every method, through all rounds, with what src/align computes of the updates', async () => {
    await federation.silo('a', 5);
    await federation.silo('b', 9);
    for (const method of METHODS.map(({ name }) => name)) {
      const runId = await federation.create({ name: method, aggregation: { method } });
      await federation.finished(runId);
      for (const round of [1, 2])
        expect(sha(await federation.version(runId, round)), `${method} round ${round}`).toBe(
          sha((await recomputed(runId, round)).tensors),
        );
    }
  });

  it('a silo of a smaller rank, where the method allows it; a clear refusal where not', async () => {
    await federation.silo('a', 5);
    const small = await federation.silo('b', 9, { rank: 2 });
    for (const method of METHODS_WITH_RANKS) {
      const runId = await federation.create({ name: method, aggregation: { method } });
      const run = await federation.finished(runId);
      for (const { updates } of run.rounds) {
        const sent = federation.tensors(updates.find(({ silo }) => silo === 'b')!.sha256);
        expect(sent.find(({ name }) => name.endsWith('lora_A.weight'))!.shape[0], method).toBe(2);
      }
      const { lora } = small.trained.at(-1)!.spec;
      expect(lora).toMatchObject({ rank: 2, alpha: 4 }); // the scale alpha / rank stays that of rank 4 and alpha 8
      expect(sha(await federation.version(runId, 2))).toBe(sha((await recomputed(runId, 2)).tensors));
    }
    const runId = await federation.create({
      aggregation: { method: 'fedit' },
      rounds: { count: 1, minSilos: 1, deadlineMs: 60_000 },
    });
    const run = await federation.finished(runId);
    expect(run.rounds[0]!.failures).toMatchObject([{ silo: 'b', code: 'option_invalid' }]);
    expect(run.rounds[0]!.failures[0]!.message).toMatch(
      /rank 2 at most, the run has rank 4, and method fedit/,
    );
  });

  it('fedrot rotated by the silos gives what the server would, to 1e-6', async () => {
    await federation.silo('a', 5);
    await federation.silo('b', 9);
    const published: NamedTensor[][] = [];
    for (const where of ['server', 'silo'] as const) {
      const aggregation = { method: 'fedrot', options: { lambda: 0.7, where } };
      const runId = await federation.create({
        name: where,
        aggregation,
        rounds: { count: 4, minSilos: 2, deadlineMs: 60_000 },
      });
      const run = await federation.finished(runId);
      published.push(await federation.version(runId, 4));
      const { modules } = JSON.parse(run.rounds[3]!.diagnosticsJson) as { modules: { lambda: number }[] };
      expect(modules[0]!.lambda).toBe(0.7);
    }
    const [server, silo] = published as [NamedTensor[], NamedTensor[]];
    for (const [i, tensor] of server.entries()) {
      const distance = Math.hypot(...tensor.data.map((value, at) => value - silo[i]!.data[at]!));
      expect(distance).toBeLessThanOrEqual(1e-6 * Math.hypot(...tensor.data));
    }
  });

  it('fedsa: B never leaves the silo, and it goes on from its own, also after a restart', async () => {
    await federation.silo('a', 5, { data: validating('a') });
    await federation.silo('b', 9);
    const rounds = { count: 3, minSilos: 2, deadlineMs: 60_000 };
    const runId = await federation.create({ aggregation: { method: 'fedsa' }, rounds });
    const run = await federation.finished(runId);
    for (const { updates } of run.rounds)
      for (const { sha256 } of updates)
        expect(federation.tensors(sha256).some(({ name }) => name.includes('lora_B'))).toBe(false);
    const b = 'lora_B.weight';
    const { trained } = federation.trainers.get('a')!;
    expect(trained).toHaveLength(3);
    expect(data(trained[0]!.adapter, b).every((value) => value === 0)).toBe(true);
    expect(data(trained[1]!.adapter, b).some((value) => value !== 0)).toBe(true);
    expect(data(await federation.version(runId, 3), b).every((value) => value === 0)).toBe(true);
    expect(readdirSync(join(federation.folder, 'a', 'own', runId))).toEqual([
      '00000002.safetensors',
      '00000003.safetensors',
    ]);

    // Restarted in the middle of a run: it goes on from the B that it had.
    const second = await federation.create({
      name: 'again',
      aggregation: { method: 'fedsa' },
      rounds: { ...rounds, count: 8 },
    });
    await untilRun(federation.coordinator.admin, second, (now) => now.rounds.length >= 1);
    await federation.leave('b');
    const before = federation.trainers.get('b')!.trained.at(-1)!;
    const restarted = await federation.silo('b', 9);
    await federation.finished(second);
    const [next] = restarted.trained;
    expect([next!.round, data(next!.adapter, b)]).toEqual([before.round + 1, data(stubTrained(before), b)]);
  });

  it.each(['flora', 'fedex'])(
    '%s: every base holds what was merged; a late silo and an evaluator catch up',
    async (method) => {
      await federation.silo('a', 5);
      await federation.silo('b', 9);
      await federation.silo('e', 4, { role: 'evaluator' });
      const rounds = { count: 3, minSilos: 2, deadlineMs: 60_000 };
      const runId = await federation.create({ aggregation: { method }, rounds, evaluation: { every: 1 } });
      await federation.finished(runId);
      const bases = (name: string): string[] =>
        federation.trainers.get(name)!.trained.map(({ bundle }) => bundle.sha256);
      const scored = federation.trainers.get('e')!.evaluated.map(({ bundle }) => bundle.sha256);
      expect(new Set(bases('a')).size).toBe(3);
      expect(bases('a')[0]).toBe(federation.bundle.sha256);
      expect(bases('b')).toEqual(bases('a'));
      expect(scored.slice(0, 3)).toEqual(bases('a'));
      expect(scored).toHaveLength(4);
      expect(readdirSync(join(federation.folder, 'a', 'bases', runId))).toHaveLength(1);

      // One that was away merges all versions at once, and has the very bits of those that did one after the other.
      const late = await federation.create({
        name: 'late',
        aggregation: { method },
        rounds: { ...rounds, count: 1000 },
      });
      await untilRun(federation.coordinator.admin, late, (now) => now.round >= 3);
      const lateSilo = await federation.silo('c', 7);
      await untilRun(federation.coordinator.admin, late, () => lateSilo.trained.length > 0);
      await federation.coordinator.admin.stopRun({ runId: late, reason: 'enough' });
      const [mine] = lateSilo.trained;
      const theirs = federation.trainers.get('a')!.trained.findLast(({ round }) => round === mine!.round);
      expect(mine!.round).toBeGreaterThan(2);
      expect(mine!.bundle.sha256).toBe(theirs!.bundle.sha256);
    },
  );
});

describe('accuracy by silo', { timeout: 120_000 }, () => {
  it('trainers score versions on what they keep for validation; the best is marked, and the run stops on it', async () => {
    const scores = { a: [0.5, 0.9, 0.6, 0.6, 0.6], b: [0.5, 0.7, 0.6, 0.6, 0.6] };
    for (const [name, of] of Object.entries(scores)) {
      const stub = await federation.silo(name, 10, { data: validating(name) });
      stub.accuracy = (call) => of[call - 1]!;
    }
    const runId = await federation.create({
      aggregation: { method: 'fedit' },
      rounds: { count: 10, minSilos: 2, deadlineMs: 60_000 },
      evaluation: { every: 1, trainers: true, stop: { patience: 2 } },
    });
    const run = await federation.finished(runId);
    expect(run.reason).toMatch(/stopped early: version 1 is the best/);
    expect(run.rounds).toHaveLength(3);
    expect(run.evaluations.map(({ silo, version, accuracy }) => [silo, version, accuracy])).toEqual(
      [0, 1, 2, 3].flatMap((version) => [
        ['a', version, scores.a[version]],
        ['b', version, scores.b[version]],
      ]),
    );
    const { adapters } = await federation.coordinator.admin.listAdapters({ runId });
    expect(adapters.map(({ best }) => best)).toEqual([false, true, false, false]);
    expect(viewRounds(run)[0]).toMatchObject({ accuracy: 0.8, worstAccuracy: 0.7 });
    expect(viewRounds(run)[0]!.accuracySpread).toBeCloseTo(0.2, 12);
    expect(await federation.coordinator.metric(`fedrot_run_best_version{run="${runId}"}`)).toBe(1);
    expect(
      await federation.coordinator.metric(`fedrot_evaluation_worst_accuracy_ratio{run="${runId}"}`),
    ).toBe(0.6);
    expect(
      await federation.coordinator.metric(`fedrot_aggregation_error_bound_ratio{run="${runId}"}`),
    ).toBeGreaterThan(0);
  });
});

const validating = (name: string) => ({
  train: join(federation.folder, `${name}.jsonl`),
  validationFraction: 0.2,
});
