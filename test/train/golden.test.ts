import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkGolden, goldenInputs, goldenOptions, type Adapter } from './support/golden.js';
import { goldenNote, goldenTrain, hasGolden } from './support/shared.js';

/** ONNX files whose every operator has a rule. */
const FILES: readonly (readonly [string, string, readonly Adapter[]])[] = [
  ['bert', 'model.onnx', ['lora', 'lora-head']],
  ['bert', 'model-legacy.onnx', ['lora', 'lora-head']],
];

describe.skipIf(!hasGolden)(`PyTorch + PEFT${goldenNote}`, () => {
  for (const [name, file, adapters] of FILES)
    it.each(adapters)(`${name}/${file} with %s`, async (adapter) => {
      const folder = join(goldenTrain, name);
      const options = goldenOptions(folder, file, adapter);
      const rows = await checkGolden(folder, adapter, options, goldenInputs(folder, file));
      expect(rows.length).toBeGreaterThan(30);
      expect(rows.filter(({ ok }) => !ok)).toEqual([]);
    });
});
