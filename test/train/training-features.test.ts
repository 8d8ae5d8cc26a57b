import { rmSync } from 'node:fs';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { OptimizerSpec } from '../../src/run-spec.js';
import type { Batch, SessionOptions } from '../../src/train/session-types.js';
import { Trainer } from '../../src/train/trainer.js';
import { drawMask, maskStream } from '../../src/train/dropout.js';
import { worstDifference } from './support/finite-differences.js';
import { factors, inputsOf, saveTagger, site } from './support/tagger.js';

const ADAMW: OptimizerSpec = {
  kind: 'adamw',
  learningRate: 0.05,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.01,
};
const SGD: OptimizerSpec = { kind: 'sgd', learningRate: 0.5, momentum: 0, weightDecay: 0 };

const classifier = saveTagger(3, true);
const regressor = saveTagger(1, true);
const tagger = saveTagger(4, false);
afterAll(() => [classifier, regressor, tagger].forEach((folder) => rmSync(folder, { recursive: true })));

const classes: Batch = {
  inputs: inputsOf([5, 2, 4], 5),
  labels: { dims: [3], data: BigInt64Array.from([0n, 2n, 1n]) },
};

const open: Trainer[] = [];
afterEach(async () => {
  for (const trainer of open.splice(0)) await trainer.close();
});

async function trainerOf(options: Partial<SessionOptions> & { folder: string }): Promise<Trainer> {
  const trainer = await Trainer.open({
    lora: [site('below'), site('above')],
    dense: [],
    threads: 1,
    ...options,
  });
  trainer.load(factors(trainer.parameters));
  open.push(trainer);
  return trainer;
}

/** Central differences of the reported loss in one entry of each parameter. */
async function checkLoss(trainer: Trainer, batch: Batch): Promise<void> {
  const start = trainer.read();
  const { gradients } = await trainer.gradients(batch);
  const loss = async (): Promise<number> => {
    const { lossSum, count } = await trainer.evaluate(batch);
    return lossSum / count;
  };
  for (const [i, { data, name }] of gradients.entries())
    for (const at of [0, data.length - 1]) {
      const moved = async (step: number): Promise<number> => {
        trainer.load(
          start.map((t, k) => (k === i ? { ...t, data: t.data.with(at, (t.data[at] ?? 0) + step) } : t)),
        );
        return loss();
      };
      const [up, down] = [await moved(1e-2), await moved(-1e-2)];
      const expected = data[at] ?? NaN;
      const difference = Math.abs((up - down) / 2e-2 - expected);
      expect(difference / Math.max(1, Math.abs(expected)), `${name}[${at}]`).toBeLessThan(1e-3);
    }
  trainer.load(start);
}

describe('losses', () => {
  it('mean-squared-error: the numbers themselves, gradients, targets left out', async () => {
    const trainer = await trainerOf({ folder: regressor, loss: 'mean-squared-error' });
    const targets = Float32Array.of(0.5, NaN, -1);
    const batch: Batch = { inputs: classes.inputs, labels: { dims: [3], data: targets } };
    const { logits, lossSum, count, correct } = await trainer.evaluate(batch);
    expect([count, correct, logits.dims]).toEqual([2, 0, [3, 1]]);
    const [a = NaN, , c = NaN] = logits.data;
    expect(lossSum).toBeCloseTo((a - 0.5) ** 2 + (c + 1) ** 2, 5);
    await checkLoss(trainer, batch);
    await expect(trainer.evaluate(classes)).rejects.toThrow(/labels are classes/);
  });

  it('cross-entropy of tokens, with positions left out', async () => {
    const trainer = await trainerOf({ folder: tagger });
    const labels = BigInt64Array.from([
      0n,
      1n,
      2n,
      3n,
      0n,
      1n,
      2n,
      -100n,
      -100n,
      -100n,
      3n,
      2n,
      1n,
      0n,
      -100n,
    ]);
    const batch: Batch = { inputs: classes.inputs, labels: { dims: [3, 5], data: labels } };
    const { predicted, correct, count, logits } = await trainer.evaluate(batch);
    expect(count).toBe(11);
    expect(predicted).toHaveLength(15);
    let hits = 0;
    predicted.forEach((label, i) => (hits += label === labels[i] ? 1 : 0));
    expect(correct).toBe(hits);
    expect(logits.dims).toEqual([3, 5, 4]);
    await checkLoss(trainer, batch);
    const bare = await trainer.evaluate(batch, { logits: false });
    expect([bare.count, bare.logits.data.length]).toEqual([11, 0]);
  });
});

describe('steps', () => {
  it('take the learning rate that they are given', async () => {
    const trainer = await trainerOf({ folder: classifier });
    const [before, { gradients }] = [trainer.read(), await trainer.gradients(classes)];
    trainer.resetOptimizer(SGD);
    await trainer.step([classes], { learningRate: 0.125 });
    trainer.read().forEach(({ data }, k) =>
      data.forEach((value, i) => {
        const expected = (before[k]?.data[i] ?? NaN) - 0.125 * (gradients[k]?.data[i] ?? NaN);
        expect(value).toBeCloseTo(expected, 6);
      }),
    );
  });

  it('clip all gradients together and report the norm from before', async () => {
    const trainer = await trainerOf({ folder: classifier });
    const before = trainer.read();
    trainer.resetOptimizer({ ...SGD, learningRate: 1 });
    const { gradientNorm } = await trainer.step([classes], { maxGradientNorm: 0.01 });
    expect(gradientNorm).toBeGreaterThan(0.1);
    let moved = 0;
    trainer
      .read()
      .forEach(({ data }, k) =>
        data.forEach((value, i) => (moved += (value - (before[k]?.data[i] ?? NaN)) ** 2)),
      );
    expect(Math.sqrt(moved)).toBeCloseTo(0.01, 5);
  });

  it('are pulled back to what was loaded by FedProx', async () => {
    const trainer = await trainerOf({ folder: classifier });
    trainer.resetOptimizer(SGD);
    await trainer.step([classes]);
    const [start, anchor, { gradients }] = [
      trainer.read(),
      factors(trainer.parameters),
      await trainer.gradients(classes),
    ];
    await trainer.step([classes], { proximal: 0.3 });
    trainer.read().forEach(({ data }, k) =>
      data.forEach((value, i) => {
        const [w = NaN, w0 = NaN, g = NaN] = [start[k]?.data[i], anchor[k]?.data[i], gradients[k]?.data[i]];
        expect(value).toBeCloseTo(w - 0.5 * (g + 0.3 * (w - w0)), 5);
      }),
    );
  });

  it('refuse options that make no sense', async () => {
    const trainer = await trainerOf({ folder: classifier });
    trainer.resetOptimizer(SGD);
    await expect(trainer.step([classes], { maxGradientNorm: 0 })).rejects.toThrow(
      /maxGradientNorm 0 above 0/,
    );
    await expect(trainer.step([classes], { learningRate: -1 })).rejects.toThrow(/learning rate -1/);
    await expect(
      Trainer.open({ folder: classifier, lora: [site('below')], dense: [], dropout: 1 }),
    ).rejects.toThrow(/dropout must be at least 0 and below 1/);
  });
});

describe('resume', () => {
  it('goes on with the very same numbers in another session', async () => {
    const first = await trainerOf({ folder: classifier, dropout: 0.2 });
    first.resetOptimizer(ADAMW);
    const options = (step: number) => ({ dropoutSeed: [7, step], proximal: 0.1 });
    await first.step([classes], options(0));
    await first.step([classes], options(1));
    const state = structuredClone(first.saveState());
    await first.step([classes], options(2));
    const second = await trainerOf({ folder: classifier, dropout: 0.2 });
    second.restoreState(state);
    await second.step([classes], options(2));
    expect(second.read()).toEqual(first.read());
    expect(second.saveState()).toEqual(first.saveState());
  });

  it('refuses the state of another session', async () => {
    const trainer = await trainerOf({ folder: classifier });
    trainer.resetOptimizer(ADAMW);
    const state = trainer.saveState();
    const other = await trainerOf({ folder: classifier, lora: [site('below')] });
    expect(() => other.restoreState(state)).toThrow(/above/);
    const spec = { ...state, optimizer: { spec: ADAMW, states: [] } };
    expect(() => trainer.restoreState(spec)).toThrow(/optimizer state does not fit/);
  });
});

describe('dropout', () => {
  it('is the same for the same seed, another for another, and absent where nothing is trained', async () => {
    const after = async (seed: readonly (string | number)[]): Promise<Float32Array[]> => {
      const trainer = await trainerOf({ folder: classifier, dropout: 0.5 });
      trainer.resetOptimizer(SGD);
      await trainer.step([classes], { dropoutSeed: seed });
      return trainer.read().map(({ data }) => data);
    };
    const [a, b, c] = [await after(['run', 1]), await after(['run', 1]), await after(['run', 2])];
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
    const [plain, dropping] = [
      await trainerOf({ folder: classifier }),
      await trainerOf({ folder: classifier, dropout: 0.5 }),
    ];
    const [expected, actual] = [await plain.gradients(classes), await dropping.gradients(classes)];
    expected.gradients.forEach(({ data, name }, i) =>
      expect(worstDifference(actual.gradients[i]?.data ?? [], data), name).toBeLessThan(1e-6),
    );
    expect((await dropping.evaluate(classes)).logits).toEqual((await plain.evaluate(classes)).logits);
    dropping.resetOptimizer(SGD);
    await expect(dropping.step([classes])).rejects.toThrow(/needs a dropoutSeed/);
  });

  it('zeroes the share of entries that it should, independently', () => {
    const mask = drawMask(maskStream([1], 'module'), 100_001, 0.3);
    expect(mask.reduce((sum, kept) => sum + kept, 0) / mask.length).toBeCloseTo(0.7, 2);
    let both = 0;
    for (let i = 1; i < mask.length; i++) both += (mask[i] ?? 0) * (mask[i - 1] ?? 0);
    expect(both / mask.length).toBeCloseTo(0.49, 2);
    expect(maskStream([1], 'other').uint32()).not.toBe(maskStream([1], 'module').uint32());
  });

  it('has the gradients of the loss under that very mask', async () => {
    const trainer = await trainerOf({ folder: classifier, dropout: 0.4 });
    const start = trainer.read();
    const options = { dropoutSeed: ['fixed'] };
    trainer.resetOptimizer({ ...SGD, learningRate: 1 });
    const plain = await trainer.evaluate(classes);
    const { loss: dropped } = await trainer.step([classes], options);
    expect(Math.abs(dropped - plain.lossSum / plain.count)).toBeGreaterThan(1e-3);
    const gradients = trainer
      .read()
      .map(({ data }, k) => data.map((value, i) => (start[k]?.data[i] ?? NaN) - value));
    for (const [k, { data }] of start.entries())
      for (const at of [0, data.length - 1]) {
        const moved = async (by: number): Promise<number> => {
          trainer.load(
            start.map((t, i) => (i === k ? { ...t, data: t.data.with(at, (t.data[at] ?? 0) + by) } : t)),
          );
          return (await trainer.step([classes], { ...options, learningRate: 0 })).loss;
        };
        const slope = ((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2;
        expect(slope, `${start[k]?.name ?? ''}[${at}]`).toBeCloseTo(gradients[k]?.[at] ?? NaN, 3);
      }
  });
});
