import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { openCheckpoint, type Checkpoint } from '../../src/model/checkpoint.js';
import { importCheckpoint } from '../../src/model/import-checkpoint.js';
import { readPeftAdapter } from '../../src/model/peft.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { inlineSink } from '../../src/model/weight-sink.js';
import { openSafetensors } from '../../src/tensor/safetensors-file.js';
import { repoPath } from '../support/repo.js';
import { checkGolden } from '../train/support/golden.js';
import { forward, relativeError } from './forward.js';
import { TINY_TOKENIZER, tinyBundle } from './tiny-bundle.js';

/** Tiny checkpoints with numbers from PyTorch, transformers and PEFT in float64: test/model/oracle/decoders.py made them. */
const ROOT = repoPath('test/data/golden');
const CASES = readdirSync(ROOT);
const folderOf = (name: string): string => join(ROOT, name);

const json = async <T>(...path: string[]): Promise<T> =>
  JSON.parse(await readFile(join(...path), 'utf8')) as T;

interface Expected {
  readonly variants: readonly { readonly name: string; readonly config: Record<string, unknown> }[];
}

async function logitsOf(name: string, checkpoint: Checkpoint): Promise<ArrayLike<number>> {
  const { model, unusedTensors, madeModules } = importCheckpoint(checkpoint, inlineSink, { seed: 0 });
  expect([unusedTensors, madeModules]).toEqual([[], []]);
  const batch = await json<Record<string, number[][]>>(folderOf(name), 'batch.json');
  const { dims, data } = await forward(model, batch);
  expect(dims).toEqual([3, 10, 24]);
  return data;
}

function expectedLogits(name: string, which: string): Float32Array {
  const file = openSafetensors(join(folderOf(name), 'expected.safetensors'));
  const data = file.readFloat32(`logits.${which}`);
  file.close();
  return data;
}

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
});

it('there is a folder for every decoder', () => {
  expect(CASES.length).toBeGreaterThanOrEqual(10);
});

describe.each(CASES)('%s', (name) => {
  it('gives PyTorch’s logits, padded positions included', async () => {
    const checkpoint = await openCheckpoint(join(folderOf(name), 'checkpoint'));
    const actual = await logitsOf(name, checkpoint);
    expect(relativeError(actual, expectedLogits(name, 'base'))).toBeLessThan(5e-6);
    checkpoint.close();
  });

  it('gives them under every variant of its config', async () => {
    const checkpoint = await openCheckpoint(join(folderOf(name), 'checkpoint'));
    const { variants } = await json<Expected>(folderOf(name), 'expected.json');
    const base = expectedLogits(name, 'base');
    for (const { name: variant, config } of variants) {
      const expected = expectedLogits(name, `variant.${variant}`);
      const actual = await logitsOf(name, { ...checkpoint, config: { ...checkpoint.config, ...config } });
      expect(relativeError(actual, expected), variant).toBeLessThan(5e-6);
      // Dynamic NTK changes nothing within the model's own length; every other variant must show.
      if (variant !== 'dynamic') expect(relativeError(base, expected), variant).toBeGreaterThan(1e-3);
    }
    checkpoint.close();
  });

  it('trains through a bundle as PyTorch and PEFT do: logits, loss, gradients, AdamW and SGD', async () => {
    folder = await mkdtemp(join(tmpdir(), 'fedrot-decoder-'));
    await cp(join(folderOf(name), 'checkpoint'), join(folder, 'checkpoint'), { recursive: true });
    await writeFile(join(folder, 'checkpoint/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
    const bundle = await openBundle((await tinyBundle(folder)).folder, { verify: true });
    expect(bundle.manifest.task).toEqual({ kind: 'causal-lm', labels: [] });
    const { settings, tensors } = await readPeftAdapter(join(folderOf(name), 'lora'));
    tensors.close();
    const { lora, dense } = resolveLora(bundle, settings);
    const inputs = bundle.manifest.model.inputs.map((input) => input.name);
    const rows = await checkGolden(
      folderOf(name),
      'lora',
      { folder: bundle.folder, lora, dense, threads: 1 },
      inputs,
    );
    expect(rows.length).toBeGreaterThan(25);
    expect(rows.filter(({ ok }) => !ok)).toEqual([]);
  });
});
