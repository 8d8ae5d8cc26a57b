import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { readPeftAdapter } from '../../src/model/peft.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { writeMerged } from '../../src/model/write-merged.js';
import { Random } from '../../src/random.js';
import { openSafetensors } from '../../src/tensor/safetensors-file.js';
import { Trainer } from '../../src/train/trainer.js';
import { repoPath } from '../support/repo.js';
import { readBatch, readTensors } from '../train/support/golden.js';
import { relativeError } from './forward.js';
import { run } from './run-file.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'fedrot-merge-'))));
afterEach(() => rm(folder, { recursive: true }));

describe.each(readdirSync(repoPath('test/data/golden')))('%s', (name) => {
  it('gives PyTorch’s logits with the adapter once it is merged', async () => {
    const golden = repoPath('test/data/golden', name);
    await cp(join(golden, 'checkpoint'), join(folder, 'checkpoint'), { recursive: true });
    await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
    const bundle = await openBundle((await tinyBundle(folder)).folder, { verify: true });
    const { settings, tensors: file } = await readPeftAdapter(join(golden, 'lora'));
    file.close();
    const tensors = readTensors(join(golden, 'lora/adapter_model.safetensors'));
    const {
      merged,
      attached,
      file: model,
    } = await writeMerged(bundle, { settings, tensors }, join(folder, 'merged'));
    expect([merged.length, attached]).toEqual([tensors.length / 2, []]);
    const batch = readBatch(golden, ['input_ids', 'attention_mask']);
    const expected = openSafetensors(join(golden, 'expected.safetensors'));
    const logits = await run(join(folder, 'merged', model), batch.inputs);
    expect(relativeError(logits, expected.readFloat32('logits.lora'))).toBeLessThan(2e-5);
    expected.close();
  });
});

it('merges heads, tied output matrices and every linear module: the same logits as base and adapter', async () => {
  const cases = [
    ['bert', await tinyCheckpoint('bert'), ['all-linear'], ['classifier']],
    ['gpt2', await goldenCheckpoint('gpt2'), ['all-linear', 'lm_head'], []],
    ['phi3', await goldenCheckpoint('phi3'), ['qkv_proj', 'lm_head'], []],
  ] as const;
  for (const [name, home, targetModules, modulesToSave] of cases) {
    const bundle = await openBundle((await tinyBundle(home)).folder, { verify: true });
    const settings = {
      rank: 3,
      alpha: 5,
      rsLora: true,
      targetModules: [...targetModules],
      modulesToSave: [...modulesToSave],
    };
    const random = Random.of('merge', name);
    const tensors = initialAdapter(bundle, settings, 1).map((tensor) => ({
      ...tensor,
      data: tensor.data.map((value) => value + random.normal(0, 0.2)),
    }));
    const ids = BigInt64Array.from([4, 6, 9, 3, 5, 5, 7, 11, 0, 0], BigInt);
    const mask = BigInt64Array.from([1, 1, 1, 1, 1, 1, 1, 1, 0, 0], BigInt);
    const tensor = (data: BigInt64Array) => ({ dims: [2, 5], data });
    const all = {
      input_ids: tensor(ids),
      attention_mask: tensor(mask),
      token_type_ids: tensor(new BigInt64Array(10)),
    };
    const inputs = Object.fromEntries(
      bundle.manifest.model.inputs.map((input) => [input.name, all[input.name as keyof typeof all]]),
    );
    const labels = name === 'bert' ? { dims: [2], data: BigInt64Array.of(0n, 1n) } : tensor(ids);
    const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, settings) });
    trainer.load(tensors);
    const expected = (await trainer.evaluate({ inputs, labels })).logits.data;
    await trainer.close();
    const written = await writeMerged(bundle, { settings, tensors }, join(home, 'merged'));
    expect(written.attached).toEqual(name === 'gpt2' ? ['lm_head'] : []);
    expect(relativeError(await run(join(home, 'merged', written.file), inputs), expected)).toBeLessThan(1e-5);
    if (name === 'bert') {
      const config = JSON.parse(readFileSync(join(home, 'merged/config.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      expect(config.id2label).toEqual({ 0: 'ham', 1: 'spam', 2: 'neither' });
      await expect(writeMerged(bundle, { settings, tensors }, join(home, 'merged'))).rejects.toThrow(
        /already exists/,
      );
      const lost = tensors.slice(1);
      await expect(writeMerged(bundle, { settings, tensors: lost }, join(home, 'other'))).rejects.toThrow(
        /is missing/,
      );
      expect(readdirSync(home).sort()).toEqual(['bundle', 'checkpoint', 'merged']);
    }
    await rm(home, { recursive: true });
  }
});

async function goldenCheckpoint(name: string): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'fedrot-merge-'));
  await cp(repoPath('test/data/golden', name, 'checkpoint'), join(home, 'checkpoint'), { recursive: true });
  await writeFile(join(home, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
  return home;
}
