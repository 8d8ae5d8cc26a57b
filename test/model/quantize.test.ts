import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openBundle, type Bundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { writeMerged } from '../../src/model/write-merged.js';
import { Random } from '../../src/random.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { Trainer } from '../../src/train/trainer.js';
import { repoPath } from '../support/repo.js';
import { readBatch } from '../train/support/golden.js';
import { relativeError } from './forward.js';
import { randomLlama } from './random-llama.js';
import { run } from './run-file.js';
import { TINY_TOKENIZER, tinyBundle } from './tiny-bundle.js';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'fedrot-quantize-'))));
afterEach(() => rm(folder, { recursive: true }));

const settings = {
  rank: 2,
  alpha: 4,
  rsLora: false,
  targetModules: ['q_proj', 'down_proj'],
  modulesToSave: [],
};

async function bundleOf(name: string, quantize?: { bits: 4 | 8; block: 32 }): Promise<Bundle> {
  const out = quantize === undefined ? 'full' : `bits${quantize.bits}`;
  const created = await tinyBundle(folder, `${name}-${out}`, quantize === undefined ? {} : { quantize });
  return openBundle(created.folder, { verify: true });
}

async function logitsOf(bundle: Bundle, tensors: readonly NamedTensor[]): Promise<Float32Array> {
  const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, settings) });
  trainer.load(tensors);
  const batch = readBatch(repoPath('test/data/golden/llama'), ['input_ids', 'attention_mask']);
  const { logits } = await trainer.evaluate(batch);
  await trainer.close();
  return logits.data;
}

it('packs linear weights, trains beside them, and merges into a model that gives the same logits', async () => {
  await randomLlama(join(folder, 'checkpoint'), { hidden: 64, intermediate: 96, vocabulary: 40 });
  await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  const full = await bundleOf('llama');
  const random = Random.of('quantize');
  const tensors = initialAdapter(full, settings, 1).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => value + random.normal(0, 0.2)),
  }));
  const expected = await logitsOf(full, tensors);
  const errors: number[] = [];
  for (const bits of [8, 4] as const) {
    const bundle = await bundleOf('llama', { bits, block: 32 });
    expect(bundle.manifest.model.quantization).toEqual({ bits, block: 32 });
    expect((await readdir(bundle.folder)).sort()).toEqual((await readdir(full.folder)).sort());
    expect(bundle.manifest.modules.dense.map(({ name }) => name)).toContain('lm_head');
    const actual = await logitsOf(bundle, tensors);
    errors.push(relativeError(actual, expected));
    const { attached, file } = await writeMerged(
      bundle,
      { settings, tensors },
      join(folder, `merged${bits}`),
    );
    const packed = new Set(attached);
    expect(packed.size).toBe(4);
    const batch = readBatch(repoPath('test/data/golden/llama'), ['input_ids', 'attention_mask']);
    expect(relativeError(await run(join(folder, `merged${bits}`, file), batch.inputs), actual)).toBeLessThan(
      1e-5,
    );
  }
  const [eight = 1, four = 1] = errors;
  expect(eight).toBeGreaterThan(0);
  expect(eight).toBeLessThan(0.05);
  expect(four).toBeGreaterThan(eight);
  expect(four).toBeLessThan(0.5);
});
