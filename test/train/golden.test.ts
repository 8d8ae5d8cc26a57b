import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkGolden, goldenInputs, goldenOptions, type Adapter } from './support/golden.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';

const HEADS = ['lora', 'lora-head'] as const;
const PLAIN = ['lora'] as const;

const FILES = [
  'model.onnx',
  'model-legacy.onnx',
  'model-op23.onnx',
  'model-ort.onnx',
  'model-ort-fused.onnx',
];

/** Folders and the adapters they come with. */
const FOLDERS: readonly (readonly [string, readonly Adapter[]])[] = [
  ['bert', HEADS],
  ['roberta', HEADS],
  ['distilbert', HEADS],
  ['gpt2', PLAIN],
  ['llama', PLAIN],
  ['mistral', PLAIN],
  ['qwen2', PLAIN],
  ['qwen3', PLAIN],
];

describe.skipIf(!hasGolden)(`PyTorch + PEFT${goldenNote}`, () => {
  for (const [name, adapters] of FOLDERS)
    for (const file of FILES.filter((known) => existsSync(join(goldenTrain, name, known))))
      it.each(adapters)(`${name}/${file} with %s`, async (adapter) => {
        const folder = join(goldenTrain, name);
        const options = goldenOptions(folder, file, adapter);
        const rows = await checkGolden(folder, adapter, options, goldenInputs(folder, file));
        expect(rows.length).toBeGreaterThan(25);
        expect(rows.filter(({ ok }) => !ok)).toEqual([]);
      });
});
