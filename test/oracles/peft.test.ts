import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { writePeftAdapter } from '../../src/model/peft.js';
import { Random } from '../../src/random.js';
import { loraScale } from '../../src/run-spec.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { tinyBundle, tinyCheckpoint } from '../model/tiny-bundle.js';
import { peftMissing, pythonHas, runPython } from '../support/python.js';

/** PEFT adds s · B · A to weights in float32, in an order of its own: a few roundings of 2^-24 relative to the sum. */
const MERGE_TOLERANCE = 5e-7;

/** What a silo adapts in each architecture, and what is trained in full. */
const MODELS = [
  { architecture: 'bert', rsLora: false, targets: ['query', 'value'], heads: ['classifier'] },
  { architecture: 'roberta', rsLora: true, targets: ['query', 'value'], heads: ['classifier'] },
  { architecture: 'distilbert', rsLora: false, targets: ['q_lin'], heads: ['pre_classifier', 'classifier'] },
  { architecture: 'electra', rsLora: false, targets: ['dense'], heads: [] },
].map(({ targets, heads, rsLora, ...model }) => ({
  ...model,
  settings: { rank: 3, alpha: 7, rsLora, dropout: 0, targetModules: targets, modulesToSave: heads },
}));

interface Loaded {
  readonly trained: Readonly<Record<string, readonly number[]>>;
  readonly scaling: Readonly<Record<string, number>>;
  readonly error: Readonly<Record<string, number>>;
}

interface Prepared {
  readonly folder: string;
  readonly tensors: readonly NamedTensor[];
}

async function prepare({ architecture, settings }: (typeof MODELS)[number]): Promise<Prepared> {
  const folder = await tinyCheckpoint(architecture);
  await tinyBundle(folder);
  const bundle = await openBundle(join(folder, 'bundle'), { verify: true });
  const random = Random.of(1, architecture);
  const tensors = initialAdapter(bundle, settings, 1).map((tensor) => ({
    ...tensor,
    data: tensor.data.map(() => random.normal()),
  }));
  await writePeftAdapter({
    folder: join(folder, 'adapter'),
    adapter: encodeTensorFile(tensors).bytes,
    settings,
    task: 'text-classification',
  });
  return { folder, tensors };
}

const ready = pythonHas('torch', 'transformers', 'peft');

describe.skipIf(!ready)(`PEFT${ready ? '' : ` (${peftMissing})`}`, () => {
  let prepared: Prepared[] = [];
  let loaded: Loaded[] = [];

  beforeAll(async () => {
    prepared = await Promise.all(MODELS.map(prepare));
    const tasks = prepared.map(({ folder }) => ({
      checkpoint: join(folder, 'checkpoint'),
      adapter: join(folder, 'adapter'),
    }));
    loaded = runPython('load_peft.py', tasks) as Loaded[];
  }, 300_000);
  afterAll(() => {
    for (const { folder } of prepared) rmSync(folder, { recursive: true, force: true });
  });

  test.each(MODELS.map((model, index) => ({ ...model, index })))(
    'loads an adapter of $architecture and applies the update that fedrot means',
    ({ settings, index }) => {
      const { tensors } = prepared[index]!;
      const { trained, scaling, error } = loaded[index]!;
      expect(Object.keys(trained).sort()).toEqual(tensors.map(({ name }) => name).sort());
      for (const { name, data } of tensors)
        expect(trained[name], name).toEqual([...new Int32Array(data.buffer)]);

      const adapted = tensors.filter(({ name }) => name.endsWith('.lora_A.weight'));
      expect(adapted.length).toBeGreaterThan(0);
      expect(Object.keys(scaling)).toHaveLength(adapted.length);
      for (const value of Object.values(scaling)) expect(value).toBeCloseTo(loraScale(settings), 12);
      for (const [module, value] of Object.entries(error))
        expect(value, module).toBeLessThan(MERGE_TOLERANCE);
    },
  );
});
