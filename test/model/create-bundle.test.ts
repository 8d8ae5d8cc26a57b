import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createBundle } from '../../src/model/create-bundle.js';
import type { BundleProgress } from '../../src/model/describe-bundle.js';
import { digestFile } from '../../src/model/file-digest.js';
import { relativeError } from './forward.js';
import { TINY_TOKENIZER, tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

let folder: string;
beforeEach(async () => {
  folder = await tinyCheckpoint();
});
afterEach(() => rm(folder, { recursive: true }));

describe('createBundle', () => {
  it('writes a model that runs from its folder, with its weights beside it', async () => {
    const { folder: bundle } = await tinyBundle(folder);
    expect((await readdir(bundle)).sort()).toEqual([
      'config.json',
      'manifest.json',
      'model.onnx',
      'model.onnx.data',
      'tokenizer.json',
    ]);
    const expected = JSON.parse(await readFile(join(folder, 'checkpoint/expected.json'), 'utf8')) as {
      batch: Record<string, number[][]>;
      logits: number[][];
    };
    const session = await InferenceSession.create(join(bundle, 'model.onnx'));
    const feeds = Object.fromEntries(
      Object.entries(expected.batch).map(([name, rows]) => [
        name,
        new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [3, 9]),
      ]),
    );
    const logits = (await session.run(feeds)).logits!.data as Float32Array;
    expect(relativeError(logits, expected.logits.flat())).toBeLessThan(2e-6);
    await session.release();
  });

  it('says in the manifest what it is', async () => {
    const { folder: bundle, manifest, sha256 } = await tinyBundle(folder, 'bundle', { name: 'org/tiny' });
    expect((await digestFile(join(bundle, 'manifest.json'))).sha256).toBe(sha256);
    expect(JSON.parse(await readFile(join(bundle, 'manifest.json'), 'utf8'))).toEqual(manifest);
    for (const { name, ...digest } of manifest.files)
      expect(await digestFile(join(bundle, name))).toEqual(digest);
    const dims = ['batch', 'sequence'];
    expect(manifest).toMatchObject({
      task: { kind: 'text-classification', labels: ['ham', 'spam', 'neither'] },
      model: {
        file: 'model.onnx',
        inputs: ['input_ids', 'attention_mask', 'token_type_ids'].map((name) => ({
          name,
          type: 'int64',
          dims,
        })),
        output: 'logits',
        maxTokens: 20,
      },
      tokenizer: { padId: 0, specialTokens: 2, specialTokensPair: 3 },
      base: { name: 'org/tiny', architecture: 'bert', configName: null },
      modules: { head: ['classifier'], made: null },
    });
    expect(manifest.software).toMatch(/^fedrot \d+\.\d+\.\d+/);
    expect(manifest.base.weights).toEqual([
      { name: 'model.safetensors', ...(await digestFile(join(folder, 'checkpoint/model.safetensors'))) },
    ]);
  });

  it('gives the same bundle for the same input, wherever it lies, and another for another seed', async () => {
    const labels = ['yes', 'no'];
    const one = await tinyBundle(folder, 'one', { head: 'new', labels, seed: 3 });
    await cp(join(folder, 'checkpoint'), join(folder, 'elsewhere/copy'), { recursive: true });
    const two = await tinyBundle(folder, 'deep/er/two', {
      checkpoint: join(folder, 'elsewhere/copy'),
      head: 'new',
      labels,
      seed: 3,
    });
    const other = await tinyBundle(folder, 'three', { head: 'new', labels, seed: 4 });
    expect(two.sha256).toBe(one.sha256);
    expect(other.sha256).not.toBe(one.sha256);
    expect(one.manifest.modules.made).toEqual({ seed: 3, names: ['classifier'] });
    expect(JSON.stringify(one.manifest)).not.toContain(folder);
  });

  it('does not depend on the seed where nothing is drawn', async () => {
    const one = await tinyBundle(folder, 'one', { seed: 3 });
    const two = await tinyBundle(folder, 'two', { seed: 4 });
    expect(two.sha256).toBe(one.sha256);
  });

  it('keeps the name of a hub and drops a path on a machine', async () => {
    const path = join(folder, 'checkpoint/config.json');
    const config = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown>;
    await writeFile(path, JSON.stringify({ ...config, _name_or_path: 'nreimers/MiniLM-L6' }));
    expect((await tinyBundle(folder, 'one')).manifest.base.configName).toBe('nreimers/MiniLM-L6');
    expect(await readFile(join(folder, 'one/config.json'), 'utf8')).toBe(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...config, _name_or_path: '/srv/secret/model' }));
    expect((await tinyBundle(folder, 'two')).manifest.base.configName).toBeNull();
    expect(JSON.parse(await readFile(join(folder, 'two/config.json'), 'utf8'))).toEqual(config);
  });

  it('reports progress up to its end', async () => {
    const seen: BundleProgress[] = [];
    await tinyBundle(folder, 'bundle', { onProgress: (progress) => seen.push(progress) });
    for (const phase of ['weights', 'digests'] as const) {
      const steps = seen.filter((progress) => progress.phase === phase);
      expect(steps.at(-1)!.done).toBe(steps.at(-1)!.total);
      expect(steps.map(({ done }) => done)).toEqual(steps.map((_, i) => i + 1));
    }
  });

  it('refuses a folder that holds something, and takes an empty one', async () => {
    await mkdir(join(folder, 'bundle'));
    await tinyBundle(folder);
    await expect(tinyBundle(folder)).rejects.toMatchObject({ code: 'already_exists' });
  });

  it('leaves nothing behind when it fails', async () => {
    await expect(tinyBundle(folder, 'bundle', { labels: ['a', 'b'] })).rejects.toMatchObject({
      code: 'option_invalid',
    });
    expect(await readdir(folder)).toEqual(['checkpoint']);
  });

  it('refuses a tokenizer of another model', async () => {
    const vocab = Object.fromEntries(Array.from({ length: 50 }, (_, id) => [`w${id}`, id]));
    const model = { ...TINY_TOKENIZER.model, vocab, unk_token: 'w1' };
    await writeFile(
      join(folder, 'checkpoint/tokenizer.json'),
      JSON.stringify({ ...TINY_TOKENIZER, added_tokens: [], model }),
    );
    await expect(tinyBundle(folder)).rejects.toThrow(/ids up to 49, but the model's vocabulary ends at 39/);
    await rm(join(folder, 'checkpoint/tokenizer.json'));
    await expect(tinyBundle(folder)).rejects.toThrow(/tokenizer\.json: there is no such file/);
  });

  it('can take the tokenizer from another folder', async () => {
    await mkdir(join(folder, 'tokenizer'));
    await writeFile(join(folder, 'tokenizer/tokenizer.json'), JSON.stringify(TINY_TOKENIZER));
    await writeFile(join(folder, 'tokenizer/tokenizer_config.json'), '{"pad_token":"[MASK]"}');
    const { manifest } = await tinyBundle(folder, 'bundle', { tokenizer: join(folder, 'tokenizer') });
    expect(manifest.tokenizer.padId).toBe(4);
    expect(manifest.files.map(({ name }) => name)).toContain('tokenizer_config.json');
  });

  it.each([
    [{ seed: 1.5 }, /seed 1\.5: must be a whole number/],
    [{ seed: -1 }, /seed -1: must be/],
    [{ maxTokens: 16 }, /maxTokens \(--max-tokens\) is for ONNX exports/],
    [{ onnx: 'model.onnx', maxTokens: 0 }, /maxTokens 0: must be/],
  ])('refuses %j', async (options, message) => {
    await expect(tinyBundle(folder, 'bundle', options)).rejects.toThrow(message);
  });

  it('says what is in the way of the new folder, and leaves nothing behind', async () => {
    await writeFile(join(folder, 'file'), '');
    const created = createBundle({
      checkpoint: join(folder, 'checkpoint'),
      out: join(folder, 'file/bundle'),
      seed: 0,
    });
    await expect(created).rejects.toMatchObject({
      code: 'storage_failed',
      message: expect.stringMatching(/file: something of that name is in the way|not a folder/) as string,
    });
    expect((await readdir(folder)).sort()).toEqual(['checkpoint', 'file']);
  });

  it('can take the tokenizer from a file of another name', async () => {
    await rm(join(folder, 'checkpoint/tokenizer.json'));
    await writeFile(join(folder, 'words.json'), JSON.stringify(TINY_TOKENIZER));
    const { manifest } = await tinyBundle(folder, 'bundle', { tokenizer: join(folder, 'words.json') });
    expect(manifest.files.map(({ name }) => name)).toContain('tokenizer.json');
  });

  it('can be read by everybody whom the file system lets', async () => {
    const { folder: bundle } = await tinyBundle(folder);
    expect((await stat(bundle)).mode & 0o777).toBe((await stat(join(folder, 'checkpoint'))).mode & 0o777);
  });
});
