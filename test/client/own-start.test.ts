import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { aggregate } from '../../src/align/aggregate.js';
import { exportAdapter } from '../../src/cli/admin/export-adapter.js';
import { LocalTrainer } from '../../src/client/training/local-trainer.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { openBundle } from '../../src/model/bundle.js';
import { writePeftAdapter } from '../../src/model/peft.js';
import { Random } from '../../src/random.js';
import { loraScale, type LoraSpec } from '../../src/run-spec.js';
import { encodeTensorFile, memorySource, tensorInfos } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { openSession } from '../../src/train/session.js';
import { adapterLayout } from '../../src/align/layout.js';
import { eckartYoung, frobenius, minus, type Dense } from '../align/support/dense.js';
import { product } from '../align/support/federation.js';
import { Federation } from './federation.js';

let federation: Federation;
beforeEach(async () => {
  federation = await Federation.start();
});
afterEach(() => federation.close());

/** s · B · A of every module. */
function products(tensors: readonly NamedTensor[], lora: LoraSpec): Dense[] {
  const source = memorySource(tensors);
  const s = loraScale(lora);
  return adapterLayout(tensorInfos(tensors)).modules.map(({ a, b, r, in: inputs, out }) =>
    product({ r, in: inputs, out, a: source.read(a).map((value) => s * value), b: source.read(b) }),
  );
}

/** An adapter that was trained elsewhere. */
async function ownAdapter(
  name: string,
  rank: number,
  alpha: number,
): Promise<{ folder: string; tensors: NamedTensor[]; settings: LoraSpec }> {
  const settings = { ...federation.spec().lora, rank, alpha };
  const random = Random.of('own', name);
  const tensors = initialAdapter(federation.bundle, settings, 9).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => value + random.normal(0, 0.1)),
  }));
  const folder = join(federation.folder, `${name}-adapter`);
  await writePeftAdapter({
    folder,
    adapter: encodeTensorFile(tensors).bytes,
    settings,
    task: federation.spec().task.kind,
  });
  return { folder, tensors, settings };
}

describe('silos with adapters of their own', { timeout: 120_000 }, () => {
  it('one shot: adapters of other ranks and scales are sent as they are and combined best', async () => {
    const small = await ownAdapter('a', 3, 12);
    const large = await ownAdapter('b', 6, 6);
    await federation.silo('a', 5, { adapter: small.folder });
    await federation.silo('b', 9, { adapter: large.folder });
    const runId = await federation.create({
      aggregation: { method: 'fedrot-exact', weighting: 'uniform' },
      training: { start: 'finished' },
      rounds: { count: 1, minSilos: 2, deadlineMs: 60_000 },
    });
    const run = await federation.finished(runId);
    const { lora } = federation.spec();
    const sent = run.rounds[0]!.updates.map(({ sha256 }) => federation.tensors(sha256));
    for (const silo of ['a', 'b']) expect(federation.trainers.get(silo)!.trained).toHaveLength(0);
    const theirs = [products(small.tensors, small.settings), products(large.tensors, large.settings)];
    const [mine, best] = sent.map((tensors) => products(tensors, lora)) as [Dense[], Dense[]];
    mine.forEach((dense, i) =>
      expect(frobenius(minus(dense, theirs[0]![i]!))).toBeLessThan(1e-6 * frobenius(dense)),
    );
    best.forEach((dense, i) => {
      const target = theirs[1]![i]!;
      expect(frobenius(minus(dense, target))).toBeCloseTo(eckartYoung(target, 4), 5);
    });
    const published = products(await federation.version(runId, 1), lora);
    published.forEach((dense, i) => {
      const target = mine[i]!.map((row, y) => row.map((value, x) => (value + best[i]![y]![x]!) / 2));
      expect(frobenius(minus(dense, target))).toBeCloseTo(eckartYoung(target, 4), 5);
    });
    expect(run.rounds[0]!.updates.map(({ steps }) => steps)).toEqual([0, 0]);
  });

  it('few rounds: each draws a start of its own and trains on; from round 2 all go on from the published one', async () => {
    await federation.silo('a', 5);
    await federation.silo('b', 9);
    const runId = await federation.create({
      aggregation: { method: 'fedrot-consensus' },
      training: { start: 'own' },
    });
    const run = await federation.finished(runId);
    const [a, b] = ['a', 'b'].map((name) => federation.trainers.get(name)!.trained);
    const start = (tensors: readonly NamedTensor[]): string => encodeTensorFile(tensors).sha256;
    expect(start(a![0]!.adapter)).not.toBe(start(b![0]!.adapter));
    expect(start(a![1]!.adapter)).toBe(start(b![1]!.adapter));
    for (const { data, name } of a![0]!.adapter)
      if (name.includes('lora_B')) expect(data.every((value) => value === 0)).toBe(true);
    const again = aggregate({
      ...federation.spec({ aggregation: { method: 'fedrot-consensus' } }).aggregation,
      round: 1,
      seed: 3,
      previous: memorySource(await federation.version(runId, 0)),
      updates: run.rounds[0]!.updates.map(({ silo, examples, sha256 }) => ({
        silo,
        weight: examples,
        tensors: memorySource(federation.tensors(sha256)),
      })),
    });
    expect(start(await federation.version(runId, 1))).toBe(start(again.tensors));
    expect(again.diagnostics.aggregationError!).toBeLessThan(again.diagnostics.aggregationErrorFedit!);
    await expect(
      federation.create({ aggregation: { method: 'ffa' }, training: { start: 'own' } }),
    ).rejects.toThrow(/method ffa needs a factor/);
  });
});

describe('what a method publishes, as one adapter on the untouched base', { timeout: 120_000 }, () => {
  it.each(['flora', 'fedex'])(
    '%s: the sum scores as the merged base with the adapter does',
    async (method) => {
      await federation.silo('a', 5);
      await federation.silo('b', 9);
      const rounds = { count: 3, minSilos: 2, deadlineMs: 60_000 };
      const runId = await federation.create({ aggregation: { method }, rounds });
      await federation.finished(runId);
      const { admin } = federation.coordinator;
      const spec = federation.spec();
      const version = 2; // what round 3 began with, on the base that silo a still has
      const { bundle, adapter, data } = federation.trainers.get('a')!.trained[2]!;
      const merged = await openBundle(bundle.folder, { verify: true });
      const exact = await exportAdapter(admin, runId, { version, lora: spec.lora });
      expect(exact.merges).toBe(2);
      const fewer = await exportAdapter(admin, runId, { version, lora: spec.lora, rank: 24 });
      expect(fewer.settings.rank).toBeLessThanOrEqual(24);
      const trainer = new LocalTrainer({ open: openSession, threads: 1 });
      try {
        const expected = await trainer.evaluate({ bundle: merged, spec, adapter, data });
        for (const exported of [exact, fewer]) {
          const folder = join(federation.folder, `export-${exported.settings.rank}`);
          await writePeftAdapter({
            folder,
            adapter: exported.bytes,
            settings: exported.settings,
            task: spec.task.kind,
          });
          const { loadAdapter } = await import('../../src/model/load-adapter.js');
          const { tensors, settings } = await loadAdapter(folder);
          const score = await trainer.evaluate({
            bundle: federation.bundle,
            spec: { ...spec, lora: { ...spec.lora, ...settings } },
            adapter: tensors,
            data,
          });
          expect(Math.abs(score.loss - expected.loss)).toBeLessThan(2e-5);
        }
      } finally {
        await trainer.close();
      }
    },
  );
});
