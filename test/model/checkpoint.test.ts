import { cp, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openCheckpoint } from '../../src/model/checkpoint.js';
import { openSafetensors } from '../../src/tensor/safetensors-file.js';
import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import { repoPath } from '../support/repo.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'fedrot-checkpoint-')), 'checkpoint');
  await cp(repoPath('test/data/checkpoints/bert'), folder, { recursive: true });
});
afterEach(() => rm(join(folder, '..'), { recursive: true }));

/** Cuts the one file into two shards, as save_pretrained(max_shard_size=…) does. */
async function shard(): Promise<Record<string, string>> {
  const whole = openSafetensors(join(folder, SINGLE));
  const parts = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  const half = whole.entries.length >> 1;
  const map: Record<string, string> = {};
  for (const [part, entries] of [
    [parts[0], whole.entries.slice(0, half)],
    [parts[1], whole.entries.slice(half)],
  ] as const) {
    const tensors = entries.map(({ name, shape }) => ({ name, shape, data: whole.readFloat32(name) }));
    await writeFile(join(folder, part), encodeTensorFile(tensors).bytes);
    for (const { name } of entries) map[name] = part;
  }
  whole.close();
  await rm(join(folder, SINGLE));
  return map;
}

describe('openCheckpoint', () => {
  it('reads config and tensors of one file', async () => {
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.config.model_type).toBe('bert');
    expect(checkpoint.weightFiles).toEqual([SINGLE]);
    expect(checkpoint.shape('classifier.weight')).toEqual([3, 16]);
    expect(checkpoint.read('classifier.weight')).toHaveLength(48);
    expect(checkpoint.shape('nothing')).toBeUndefined();
    expect(() => checkpoint.read('nothing')).toThrow(expect.objectContaining({ code: 'tensor_name' }));
    checkpoint.close();
  });

  it('reads shards as if they were one file', async () => {
    const whole = await openCheckpoint(folder);
    const expected = whole.names.map((name) => [name, whole.shape(name), whole.read(name)]);
    whole.close();
    await writeFile(join(folder, INDEX), JSON.stringify({ metadata: {}, weight_map: await shard() }));
    const sharded = await openCheckpoint(folder);
    expect(sharded.weightFiles).toHaveLength(2);
    expect(sharded.names.map((name) => [name, sharded.shape(name), sharded.read(name)])).toEqual(expected);
    sharded.close();
  });

  it('reads the only variant, and refuses to choose between two', async () => {
    await rename(join(folder, SINGLE), join(folder, 'model.fp16.safetensors'));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.weightFiles).toEqual(['model.fp16.safetensors']);
    checkpoint.close();
    await cp(join(folder, 'model.fp16.safetensors'), join(folder, 'model.bf16.safetensors'));
    await expect(openCheckpoint(folder)).rejects.toThrow(
      /model\.bf16\.safetensors and model\.fp16\.safetensors/,
    );
  });

  it('refuses an index that leads out of the folder, or promises what is not there', async () => {
    const map = await shard();
    await writeFile(join(folder, INDEX), JSON.stringify({ weight_map: { a: '../model.safetensors' } }));
    await expect(openCheckpoint(folder)).rejects.toThrow(/not the name of a file in the same folder/);
    await writeFile(
      join(folder, INDEX),
      JSON.stringify({ weight_map: { ...map, more: 'model-00001-of-00002.safetensors' } }),
    );
    await expect(openCheckpoint(folder)).rejects.toThrow(/tensor more is in none of its files/);
    await writeFile(join(folder, INDEX), JSON.stringify({ weight_map: { a: 'model-9.safetensors' } }));
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([
    ['config.json', '{"hidden_size": 1}', /config\.json: model_type/],
    ['config.json', '[]', /must be a JSON object/],
    [SINGLE, 'not safetensors at all', /model\.safetensors/],
  ])('says what is wrong with %s', async (file, content, message) => {
    await writeFile(join(folder, file), content);
    await expect(openCheckpoint(folder)).rejects.toThrow(message);
  });

  it('says what is missing', async () => {
    await rm(join(folder, SINGLE));
    await expect(openCheckpoint(folder)).rejects.toThrow(/holds neither model\.safetensors nor/);
    await rm(join(folder, 'config.json'));
    await expect(openCheckpoint(folder)).rejects.toThrow(/config\.json: there is no such file/);
  });

  it('follows links, as a hub cache has them', async () => {
    await rename(join(folder, SINGLE), join(folder, '../blob'));
    await symlink(join(folder, '../blob'), join(folder, SINGLE));
    const checkpoint = await openCheckpoint(folder);
    expect(checkpoint.names).toContain('classifier.weight');
    checkpoint.close();
  });
});
