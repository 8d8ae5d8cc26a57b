import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { peftConfig, type AdapterSettings } from '../../src/model/peft-config.js';
import { readPeftAdapter, writePeftAdapter } from '../../src/model/peft.js';
import type { TaskKind } from '../../src/model/tasks.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { sharedMissing, sharedRoot } from '../support/repo.js';

const settings: AdapterSettings = {
  rank: 2,
  alpha: 4,
  rsLora: false,
  dropout: 0.1,
  targetModules: ['query'],
  modulesToSave: ['classifier'],
};
const task = 'text-classification';
const tensor = (name: string, ...shape: number[]): NamedTensor => ({
  name: `base_model.model.${name}`,
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i / 7),
});
const QUERY = 'bert.encoder.layer.0.attention.self.query';
const TENSORS = [
  tensor(`${QUERY}.lora_A.weight`, 2, 6),
  tensor(`${QUERY}.lora_B.weight`, 5, 2),
  tensor('classifier.weight', 3, 5),
  tensor('classifier.bias', 3),
];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedrot-peft-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('an adapter folder', () => {
  it('holds the published file as it is, and comes back as it went', async () => {
    const { bytes } = encodeTensorFile(TENSORS);
    await writePeftAdapter({
      folder: join(folder, 'new'),
      adapter: bytes,
      settings,
      task,
      baseModel: 'org/base',
    });
    expect((await readdir(join(folder, 'new'))).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
    ]);
    expect(await readFile(join(folder, 'new/adapter_model.safetensors'))).toEqual(bytes);
    const read = await readPeftAdapter(join(folder, 'new'));
    expect(read.settings).toEqual(settings);
    expect(read.config.base_model_name_or_path).toBe('org/base');
    for (const { name, data } of TENSORS) expect(read.tensors.read(name)).toEqual(data);
    read.tensors.close();
  });

  it('is written from a file too, over an older one', async () => {
    const published = join(folder, 'published');
    for (const scale of [1, 2]) {
      const { bytes } = encodeTensorFile(
        TENSORS.map((each) => ({ ...each, data: each.data.map((x) => x * scale) })),
      );
      await writeFile(published, bytes);
      await writePeftAdapter({ folder: join(folder, 'out'), adapter: published, settings, task });
      expect(await readFile(join(folder, 'out/adapter_model.safetensors'))).toEqual(bytes);
    }
  });

  it('refuses tensors without PEFT’s names', async () => {
    const { bytes } = encodeTensorFile([{ name: 'weight', shape: [1], data: new Float32Array(1) }]);
    await expect(writePeftAdapter({ folder, adapter: bytes, settings, task })).rejects.toThrow(
      /tensor weight has no name that PEFT knows/,
    );
  });

  it.each([
    [{ peft_type: 'IA3' }, /peft_type: only LORA/],
    [{ use_dora: true }, /use_dora: DoRA is not supported/],
    [{ bias: 'all' }, /bias: trained biases/],
    [{ rank_pattern: { query: 3 } }, /rank_pattern/],
    [{ r: 3 }, /A \[2, 6\] and B \[5, 2\]; .* r = 3/],
    [{ r: 'two' }, /adapter_config\.json: r:/],
  ])('refuses adapter_config.json with %j', async (changes, message) => {
    const { bytes } = encodeTensorFile(TENSORS);
    await writePeftAdapter({ folder, adapter: bytes, settings, task });
    const path = join(folder, 'adapter_config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as object;
    await writeFile(path, JSON.stringify({ ...config, ...changes }));
    await expect(readPeftAdapter(folder)).rejects.toThrow(message);
  });

  it('refuses one factor without the other', async () => {
    const { bytes } = encodeTensorFile(TENSORS.slice(1));
    await writePeftAdapter({ folder, adapter: bytes, settings, task });
    await expect(readPeftAdapter(folder)).rejects.toThrow(/A \[missing\] and B \[5, 2\]/);
  });
});

describe('peftConfig', () => {
  const names = TENSORS.map(({ name }) => name);

  it('has no task type where no head was trained', () => {
    expect(peftConfig(settings, names.slice(0, 2), null, task)).toMatchObject({
      task_type: null,
      modules_to_save: null,
    });
  });

  it.each([
    ['text-classification', 'SEQ_CLS', null],
    ['text-regression', 'SEQ_CLS', null],
    ['token-classification', 'TOKEN_CLS', null],
    ['causal-lm', 'CAUSAL_LM', 'CAUSAL_LM'],
  ] as const)('has PEFT’s task type of %s: %s, without a trained head %s', (kind, head, none) => {
    expect(peftConfig(settings, names, null, kind).task_type).toBe(head);
    expect(peftConfig(settings, names.slice(0, 2), null, kind).task_type).toBe(none);
  });

  it('names the classifiers’ heads for classifiers only, as PEFT does', () => {
    const saved = (kind: TaskKind): unknown =>
      peftConfig({ ...settings, modulesToSave: ['lm_head'] }, ['base_model.model.lm_head.weight'], null, kind)
        .modules_to_save;
    expect(saved('causal-lm')).toEqual(['lm_head']);
    expect(saved('token-classification')).toEqual(['classifier', 'lm_head', 'score']);
  });

  it('writes whole names where PEFT would understand the short ones differently', () => {
    const means = (targetModules: string[], more: string[] = []): unknown =>
      peftConfig({ ...settings, targetModules }, [...names, ...more], null, task).target_modules;
    expect(means(['query'])).toEqual(['query']);
    expect(means(['all-linear'])).toEqual([QUERY]);
    expect(means(['query', 'dense'], ['base_model.model.classifier.dense.weight'])).toEqual([QUERY]);
  });
});

describe.skipIf(sharedRoot === undefined)(`adapters that PEFT 0.21 saved (${sharedMissing})`, () => {
  const golden = (path: string): string => join(sharedRoot!, 'data/golden/train', path);

  it.each(['bert/lora-head', 'roberta/lora-head', 'distilbert/lora-head', 'bert/lora'])(
    'reads %s, and writes the same configuration',
    async (name) => {
      const { settings: read, tensors } = await readPeftAdapter(golden(name));
      const theirs = JSON.parse(await readFile(golden(`${name}/adapter_config.json`), 'utf8')) as Record<
        string,
        unknown
      >;
      const ours = peftConfig(
        read,
        tensors.tensors.map(({ name: tensorName }) => tensorName),
        null,
        task,
      );
      tensors.close();
      // auto_mapping is how PEFT notes the class of a model without a task type.
      for (const key of Object.keys(ours)) {
        if (key === 'auto_mapping') continue;
        const [mine, peft] = [ours[key], theirs[key]].map((value) =>
          Array.isArray(value) ? [...(value as string[])].sort() : value,
        );
        expect(mine, key).toEqual(peft);
      }
    },
  );
});
