import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle, type Bundle } from '../../src/model/bundle.js';
import { openCheckpoint } from '../../src/model/checkpoint.js';
import { continuedAdapter, initialAdapter } from '../../src/model/initial-adapter.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';
import { tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

const spec = {
  rank: 8,
  alpha: 16,
  rsLora: false,
  targetModules: ['query', 'output.dense'],
  modulesToSave: ['classifier'],
};

let folder: string;
let bundle: Bundle;
beforeAll(async () => {
  folder = await tinyCheckpoint();
  bundle = await openBundle((await tinyBundle(folder)).folder, { verify: true });
});
afterAll(() => rm(folder, { recursive: true }));

describe('initialAdapter', () => {
  it('has PEFT’s names and shapes in order of name', () => {
    const layer = 'base_model.model.bert.encoder.layer';
    const expected = [0, 1].flatMap((i) => [
      [`${layer}.${i}.attention.output.dense.lora_A.weight`, [8, 16]],
      [`${layer}.${i}.attention.output.dense.lora_B.weight`, [16, 8]],
      [`${layer}.${i}.attention.self.query.lora_A.weight`, [8, 16]],
      [`${layer}.${i}.attention.self.query.lora_B.weight`, [16, 8]],
      [`${layer}.${i}.output.dense.lora_A.weight`, [8, 24]],
      [`${layer}.${i}.output.dense.lora_B.weight`, [16, 8]],
    ]);
    expected.push(['base_model.model.classifier.bias', [3]], ['base_model.model.classifier.weight', [3, 16]]);
    expect(initialAdapter(bundle, spec, 0).map(({ name, shape }) => [name, shape])).toEqual(expected);
  });

  it('draws A from U(−1/√in, 1/√in), and B is 0', () => {
    const tensors = initialAdapter(bundle, { ...spec, rank: 512 }, 0);
    for (const { name, shape, data } of tensors) {
      if (name.endsWith('lora_B.weight')) expect(data.every((x) => x === 0)).toBe(true);
      if (!name.endsWith('lora_A.weight')) continue;
      const bound = 1 / Math.sqrt(shape[1]!);
      expect(Math.max(...data.map(Math.abs))).toBeLessThanOrEqual(Math.fround(bound));
      const variance = data.reduce((sum, x) => sum + x * x, 0) / data.length;
      expect(variance / (bound * bound)).toBeCloseTo(1 / 3, 1);
      expect(Math.abs(data.reduce((sum, x) => sum + x, 0) / data.length)).toBeLessThan(0.05 * bound);
    }
  });

  it('takes the head from the checkpoint, bit by bit', async () => {
    const checkpoint = await openCheckpoint(join(folder, 'checkpoint'));
    const tensors = new Map(initialAdapter(bundle, spec, 0).map(({ name, data }) => [name, data]));
    for (const name of ['classifier.weight', 'classifier.bias'])
      expect(tensors.get(`base_model.model.${name}`)).toEqual(checkpoint.read(name));
    checkpoint.close();
  });

  it('is the same for the same seed, another for another', () => {
    const digest = (seed: number): string => encodeTensorFile(initialAdapter(bundle, spec, seed)).sha256;
    expect(digest(1)).toBe(digest(1));
    expect(digest(2)).not.toBe(digest(1));
  });

  it('gives a module the same start whatever else is adapted', () => {
    const query = (targetModules: string[]): Float32Array =>
      initialAdapter(bundle, { ...spec, targetModules }, 7).find(({ name }) =>
        name.endsWith('1.attention.self.query.lora_A.weight'),
      )!.data;
    expect(query(['query'])).toEqual(query(['key', 'query', 'value']));
  });
});

describe('continuedAdapter', () => {
  /** As if trained elsewhere: no number is that of version 0 of a new run. */
  const trained = (changes: Partial<typeof spec> = {}): NamedTensor[] =>
    initialAdapter(bundle, { ...spec, ...changes }, 3).map((tensor) => ({
      ...tensor,
      data: tensor.data.map((value, i) => value + (i + 1) / 64),
    }));

  it('is the given adapter, in the order of a new one', () => {
    const existing = trained();
    const continued = continuedAdapter(bundle, spec, [...existing].reverse());
    expect(continued).toEqual(existing);
    expect(encodeTensorFile(continued).sha256).toBe(encodeTensorFile(existing).sha256);
  });

  it('has the bundle’s head where the given one has none', () => {
    const existing = trained({ modulesToSave: [] });
    const fresh = new Map(initialAdapter(bundle, spec, 9).map((tensor) => [tensor.name, tensor]));
    const continued = continuedAdapter(bundle, spec, existing);
    expect(continued.map(({ name }) => name)).toEqual([...fresh.keys()]);
    for (const tensor of continued)
      expect(tensor).toEqual(existing.find(({ name }) => name === tensor.name) ?? fresh.get(tensor.name));
  });

  it.each([
    [
      'fewer modules',
      { targetModules: ['query'] },
      'tensor_name',
      /has no .*output\.dense.*lora\.targetModules/,
    ],
    [
      'more modules',
      { targetModules: [...spec.targetModules, 'key'] },
      'tensor_name',
      /has .*attention\.self\.key\.lora_[AB]\.weight, which the run does not train/,
    ],
    [
      'another rank',
      { rank: 4 },
      'tensor_shape',
      /lora_A\.weight of shape \[4, 16\]; the run needs \[8, 16\]: its lora\.rank/,
    ],
  ])('refuses one with %s', (_, changes, code, message) => {
    const attempt = (): unknown => continuedAdapter(bundle, spec, trained(changes));
    expect(attempt).toThrow(expect.objectContaining({ code }));
    expect(attempt).toThrow(message);
  });

  it('refuses a head that the run does not train', () => {
    const attempt = (): unknown => continuedAdapter(bundle, { ...spec, modulesToSave: [] }, trained());
    expect(attempt).toThrow(
      /has base_model\.model\.classifier\.\w+, which the run does not train.*lora\.modulesToSave/,
    );
  });

  it('refuses a head of another number of classes', () => {
    const existing = trained().map((tensor) =>
      tensor.name.endsWith('classifier.bias') ? { ...tensor, shape: [2], data: new Float32Array(2) } : tensor,
    );
    expect(() => continuedAdapter(bundle, spec, existing)).toThrow(
      /classifier\.bias of shape \[2\]; the run needs \[3\]/,
    );
  });
});
