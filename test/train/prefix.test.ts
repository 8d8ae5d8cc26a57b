import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openInlineSession } from '../../src/train/inline-session.js';
import { ActivationCache, type ActivationStore } from '../../src/train/prefix/cache.js';
import type { Batch, LoraSite, PrefixCacheOptions } from '../../src/train/session-types.js';
import { Trainer } from '../../src/train/trainer.js';
import { worstDifference } from './support/finite-differences.js';
import { goldenInputs, goldenOptions, readBatch, readTensors } from './support/golden.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';
import { factors, inputsOf, saveTagger, site } from './support/tagger.js';

const folder = saveTagger(3, true);
const spill = mkdtempSync(join(tmpdir(), 'fedrot-spill-'));
afterAll(() => [folder, spill].forEach((each) => rmSync(each, { recursive: true })));

const ROOMY: PrefixCacheOptions = { memoryBytes: 1 << 20 };
const CACHES: readonly (readonly [string, PrefixCacheOptions])[] = [
  ['in memory', ROOMY],
  ['half on disk', { memoryBytes: 200, diskBytes: 1 << 20, folder: spill }],
  ['with room for one example', { memoryBytes: 200 }],
  ['with no room', { memoryBytes: 0 }],
];

function batchOf(lengths: readonly number[], sequence: number, seed = 0): Batch {
  const labels = BigInt64Array.from(lengths, (_, i) => BigInt(i % 3));
  return { inputs: inputsOf(lengths, sequence, seed), labels: { dims: [lengths.length], data: labels } };
}

async function open(
  lora: readonly LoraSite[],
  prefixCache?: PrefixCacheOptions,
  dropout = 0,
): Promise<Trainer> {
  const trainer = await Trainer.open({
    folder,
    lora,
    dense: [],
    threads: 1,
    dropout,
    ...(prefixCache === undefined ? {} : { prefixCache }),
  });
  trainer.load(factors(trainer.parameters));
  return trainer;
}

describe('cached frozen layers', () => {
  it.each(CACHES)('%s: gradients are those without a cache', async (_, options) => {
    const [plain, cached] = [await open([site('above')]), await open([site('above')], options)];
    expect(plain.cachedShare).toBe(0);
    expect(cached.cachedShare).toBeGreaterThan(0.2);
    // The same examples again, alone, in another order, and padded to another length.
    const batches = [
      batchOf([5, 2, 4], 5),
      batchOf([5, 2, 4], 5),
      batchOf([5, 2, 4], 9),
      batchOf([5], 5),
      batchOf([3, 5, 1, 2], 6, 4),
    ];
    for (const [i, batch] of batches.entries()) {
      const [expected, actual] = [await plain.gradients(batch), await cached.gradients(batch)];
      expect(actual.loss).toBeCloseTo(expected.loss, 5);
      expected.gradients.forEach(({ name, data }, k) =>
        expect(worstDifference(actual.gradients[k]?.data ?? [], data), `${name}, batch ${i}`).toBeLessThan(
          1e-5,
        ),
      );
    }
    await plain.close();
    await cached.close();
    expect(readdirSync(spill)).toEqual([]);
  });

  it('reach no further than frozen weights do', async () => {
    const shares: number[] = [];
    for (const lora of [[site('above')], [site('below'), site('above')]]) {
      const trainer = await open(lora, ROOMY);
      shares.push(trainer.cachedShare);
      await trainer.close();
    }
    // Below the lowest adapted layer there is only its own frozen product left.
    expect(shares[1]).toBeLessThan(shares[0] ?? 0);
  });

  it('goes together with dropout', async () => {
    const batch = batchOf([5, 2, 4], 5);
    const steps = async (trainer: Trainer): Promise<number[]> => {
      trainer.resetOptimizer({ kind: 'sgd', learningRate: 0.5, momentum: 0, weightDecay: 0 });
      for (let step = 0; step < 3; step++) await trainer.step([batch], { dropoutSeed: [step] });
      return trainer.read().flatMap(({ data }) => [...data]);
    };
    const [plain, cached] = [
      await open([site('above')], undefined, 0.4),
      await open([site('above')], ROOMY, 0.4),
    ];
    expect(cached.cachedShare).toBeGreaterThan(0.2);
    expect(worstDifference(await steps(cached), await steps(plain))).toBeLessThan(1e-5);
    await plain.close();
    await cached.close();
  });
});

describe('a store of the caller’s', () => {
  it('serves steps and evaluations, and a second session computes nothing that it holds', async () => {
    const kept = new Map<string, Float32Array>();
    let computed = 0;
    const openStore = (): ActivationStore => ({
      full: false,
      has: (key) => kept.has(key),
      get: (key) => kept.get(key),
      set: (key, values) => {
        computed++;
        kept.set(key, values);
      },
      close: () => undefined,
    });
    const options = { folder, lora: [site('above')], dense: [], threads: 1 };
    const plain = await open([site('above')]);
    const batch = batchOf([5, 2, 4], 5);
    const [expected, scored] = [await plain.gradients(batch), await plain.evaluate(batch)];
    for (const fresh of [3, 0]) {
      const trainer = await openInlineSession({ ...options, prefixCache: { memoryBytes: 0 } }, openStore);
      await trainer.load(factors(trainer.parameters));
      const evaluation = await trainer.evaluate(batch);
      expect(evaluation.lossSum).toBeCloseTo(scored.lossSum, 5);
      expect(worstDifference(evaluation.logits.data, scored.logits.data)).toBeLessThan(1e-5);
      expect(computed).toBe(fresh);
      const { gradients } = await trainer.gradients(batch);
      gradients.forEach(({ name, data }, k) =>
        expect(worstDifference(data, expected.gradients[k]?.data ?? []), name).toBeLessThan(1e-5),
      );
      expect(computed).toBe(fresh);
      computed = 0;
      await trainer.close();
    }
    await plain.close();
  });
});

describe('ActivationCache', () => {
  it('keeps what comes first, in memory and then on disk, and no more than it may', () => {
    const cache = new ActivationCache({ memoryBytes: 16, diskBytes: 24, folder: spill });
    for (let i = 0; i < 6; i++) cache.set(`k${i}`, Float32Array.of(i, i + 0.5));
    const kept = Array.from({ length: 6 }, (_, i) => cache.get(`k${i}`));
    expect(kept.slice(0, 5)).toEqual([0, 1, 2, 3, 4].map((i) => Float32Array.of(i, i + 0.5)));
    expect(kept[5]).toBeUndefined();
    expect(cache.size).toBe(5);
    expect(readdirSync(spill)).toHaveLength(1);
    cache.close();
    expect(readdirSync(spill)).toEqual([]);
  });
});

describe.skipIf(!hasGolden)(`golden models, top layer adapted${goldenNote}`, () => {
  it.each(['bert', 'distilbert', 'gpt2', 'llama', 'mistral'])('%s', async (name) => {
    const golden = join(goldenTrain, name);
    const all = goldenOptions(golden, 'model.onnx', 'lora');
    const lora = all.lora.filter(({ module }) => module.name.includes('.1.'));
    const batch = readBatch(golden, goldenInputs(golden, 'model.onnx'));
    const start = readTensors(join(golden, 'lora/adapter_model.safetensors')).filter((t) =>
      t.name.includes('.1.'),
    );
    const run = async (prefixCache?: PrefixCacheOptions) => {
      const trainer = await Trainer.open({
        ...all,
        lora,
        ...(prefixCache === undefined ? {} : { prefixCache }),
      });
      trainer.load(start);
      await trainer.gradients(batch);
      const result = await trainer.gradients(batch);
      const share = trainer.cachedShare;
      await trainer.close();
      return { ...result, share };
    };
    const [expected, actual] = [await run(), await run(ROOMY)];
    expect(actual.share).toBeGreaterThan(0.15);
    expect(actual.loss).toBeCloseTo(expected.loss, 5);
    expected.gradients.forEach(({ name: parameter, data }, k) =>
      expect(worstDifference(actual.gradients[k]?.data ?? [], data), parameter).toBeLessThan(2e-5),
    );
  });
});
