import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle, type Bundle } from '../../src/model/bundle.js';
import { openCheckpoint } from '../../src/model/checkpoint.js';
import { initialAdapter } from '../../src/model/initial-adapter.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
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
