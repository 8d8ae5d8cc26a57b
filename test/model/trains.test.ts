import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { readPeftAdapter } from '../../src/model/peft.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import type { Batch, IntTensor } from '../../src/train/session-types.js';
import { Trainer } from '../../src/train/trainer.js';
import { Random } from '../../src/random.js';
import { sharedMissing, sharedRoot } from '../support/repo.js';
import { checkGolden } from '../train/support/golden.js';
import { relativeError } from './forward.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

/** The whole way: a checkpoint becomes a bundle, and the bundle trains. */

let folder: string | undefined;
beforeEach(() => (folder = undefined));
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
});

const int = (rows: readonly (readonly number[])[]): IntTensor => ({
  dims: [rows.length, rows[0]!.length],
  data: BigInt64Array.from(rows.flat(), BigInt),
});

describe.each(['bert', 'roberta', 'distilbert', 'electra'])('a bundle of %s', (architecture) => {
  it('trains every linear module and the head, from the base model’s own logits', async () => {
    folder = await tinyCheckpoint(architecture);
    const bundle = await openBundle((await tinyBundle(folder)).folder, { verify: true });
    const spec = {
      rank: 2,
      alpha: 4,
      rsLora: false,
      targetModules: ['all-linear'],
      modulesToSave: ['classifier'],
    };
    const { lora, dense } = resolveLora(bundle, spec);
    const expected = JSON.parse(await readFile(join(folder, 'checkpoint/expected.json'), 'utf8')) as {
      batch: Record<string, number[][]>;
      logits: number[][];
    };
    const batch: Batch = {
      inputs: Object.fromEntries(
        bundle.manifest.model.inputs.map(({ name }) => [name, int(expected.batch[name]!)]),
      ),
      labels: { dims: [3], data: BigInt64Array.of(2n, 0n, 1n) },
    };
    const trainer = await Trainer.open({ folder: bundle.folder, lora, dense });
    try {
      const start = initialAdapter(bundle, spec, 1);
      expect(trainer.parameters.map(({ name, shape }) => [name, shape])).toEqual(
        start.map(({ name, shape }) => [name, shape]),
      );
      trainer.load(start);
      const before = await trainer.evaluate(batch);
      expect(relativeError(before.logits.data, expected.logits.flat())).toBeLessThan(2e-6);
      trainer.resetOptimizer({
        kind: 'adamw',
        learningRate: 0.01,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weightDecay: 0,
      });
      for (let step = 0; step < 15; step++) await trainer.step([batch]);
      const after = await trainer.evaluate(batch);
      expect(after.lossSum).toBeLessThan(0.5 * before.lossSum);
      const moved = trainer.read().filter(({ data }, i) => data.some((x, at) => x !== start[i]!.data[at]));
      expect(moved.map(({ name }) => name)).toEqual(start.map(({ name }) => name));
    } finally {
      await trainer.close();
    }
  });
});

describe.each(['bert', 'roberta', 'distilbert', 'electra'])(
  'a bundle of %s with mean pooling',
  (architecture) => {
    it('has the gradients of its loss, by central differences, with padded rows', async () => {
      folder = await tinyCheckpoint(architecture);
      const options = { head: 'new', labels: ['a', 'b', 'c'], pooling: 'mean' } as const;
      const bundle = await openBundle((await tinyBundle(folder, 'bundle', options)).folder, { verify: true });
      expect(bundle.manifest.model.pooling).toBe('mean');
      const spec = {
        rank: 2,
        alpha: 4,
        rsLora: false,
        targetModules: ['all-linear'],
        modulesToSave: ['classifier'],
      };
      const { batch: rows } = JSON.parse(
        await readFile(join(folder, 'checkpoint/expected.json'), 'utf8'),
      ) as { batch: Record<string, number[][]> };
      const batch: Batch = {
        inputs: Object.fromEntries(bundle.manifest.model.inputs.map(({ name }) => [name, int(rows[name]!)])),
        labels: { dims: [3], data: BigInt64Array.of(2n, 0n, 1n) },
      };
      const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, spec) });
      try {
        // Far from B = 0, where no gradient reaches A, and with a head that is large enough to tell the rows apart.
        const random = Random.of('mean pooling', architecture);
        const at = initialAdapter(bundle, spec, 1).map((tensor) => ({
          ...tensor,
          data: tensor.data.map((value) => value + random.normal(0, 0.3)),
        }));
        trainer.load(at);
        const { gradients } = await trainer.gradients(batch);
        const gradientOf = new Map(gradients.map(({ name, data }) => [name, data]));
        const norm = Math.hypot(...gradients.flatMap(({ data }) => [...data]));
        const count = at.reduce((sum, { data }) => sum + data.length, 0);
        // Half along the gradient, where the loss changes most, half anywhere.
        const along = at.map(({ name }) =>
          gradientOf.get(name)!.map((x) => x / norm + random.normal(0, 1 / Math.sqrt(count))),
        );
        const lossAt = async (step: number): Promise<number> => {
          trainer.load(
            at.map((tensor, i) => ({ ...tensor, data: tensor.data.map((x, k) => x + step * along[i]![k]!) })),
          );
          return (await trainer.evaluate(batch)).lossSum / 3;
        };
        const slope = at.reduce(
          (sum, { name }, i) =>
            sum + gradientOf.get(name)!.reduce((part, x, k) => part + x * along[i]![k]!, 0),
          0,
        );
        const step = 3e-3;
        const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
        expect(Math.abs(slope)).toBeGreaterThan(0.2);
        expect(Math.abs(difference / slope - 1)).toBeLessThan(5e-3);
      } finally {
        await trainer.close();
      }
    });
  },
);

describe.skipIf(sharedRoot === undefined)(`golden checkpoints through a bundle (${sharedMissing})`, () => {
  const CASES = ['bert', 'roberta', 'distilbert'].flatMap((name) =>
    (['lora', 'lora-head'] as const).map((adapter) => [name, adapter] as const),
  );
  const LANGUAGE_MODELS = ['gpt2', 'llama', 'qwen2', 'qwen3', 'mistral'].map(
    (name) => [name, 'lora'] as const,
  );

  it.each([...CASES, ...LANGUAGE_MODELS])(
    '%s, %s: logits, loss, gradients and steps of PyTorch + PEFT',
    async (name, adapter) => {
      const golden = join(sharedRoot!, 'data/golden/train', name);
      folder = await mkdtemp(join(tmpdir(), 'fedrot-golden-'));
      await cp(join(golden, 'checkpoint'), join(folder, 'checkpoint'), { recursive: true });
      await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
      const bundle = await openBundle((await tinyBundle(folder)).folder, { verify: true });
      const { settings, tensors } = await readPeftAdapter(join(golden, adapter));
      tensors.close();
      const { lora, dense } = resolveLora(bundle, settings);
      const rows = await checkGolden(
        golden,
        adapter,
        { folder: bundle.folder, lora, dense, threads: 1 },
        bundle.manifest.model.inputs.map((input) => input.name),
      );
      expect(rows.length).toBeGreaterThan(25);
      expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    },
  );
});
