import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BundleFolder } from '../../../src/server/spool/bundle-folder.js';
import { readChunks } from '../../../src/server/spool/read-chunks.js';
import { DurableFile } from '../../../src/server/spool/durable-file.js';
import { TensorSpool } from '../../../src/server/spool/tensor-spool.js';

const sha = (text: string): string => createHash('sha256').update(text).digest('hex');
let folder: string;
let spool: TensorSpool;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedrot-spool-'));
  spool = await TensorSpool.open(join(folder, 'tensors'));
});
afterEach(() => rm(folder, { recursive: true }));

async function contentOf(path: string, start: number, end: number, chunkBytes: number): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of readChunks(path, start, end, chunkBytes)) chunks.push(chunk.toString());
  return chunks;
}

describe('the tensor spool', () => {
  const key = { runId: 'run', round: 3, silo: 'a', sha256: sha('hello world') };

  it('shows a file under its hash only when it is whole', async () => {
    const file = await spool.createTemp();
    await file.append(Buffer.from('hello '));
    expect(await spool.size(key.sha256)).toBeUndefined();
    await file.append(Buffer.from('world'));
    await file.publish(spool.pathOf(key.sha256));
    expect(await spool.size(key.sha256)).toBe(11);
    expect(await readdir(spool.folder)).toEqual([`${key.sha256}.safetensors`, 'partial']);
  });

  it('continues an upload from what is durable, cutting what is beyond', async () => {
    const first = await DurableFile.create(await spool.partialPlace(key));
    await first.append(Buffer.from('hello XX'));
    await first.suspend();
    expect(await spool.partialBytes(key)).toBe(8);
    const second = await DurableFile.continue(await spool.partialPlace(key), 6);
    expect(second.bytes).toBe(6);
    expect((await second.read(0, 100)).toString()).toBe('hello ');
    await second.append(Buffer.from('world'));
    await second.publish(spool.pathOf(key.sha256));
    expect(await readFile(spool.pathOf(key.sha256), 'utf8')).toBe('hello world');
    expect(await spool.partialBytes(key)).toBe(0);
  });

  it('removes what nobody needs on start: temporary files, parts of closed rounds, files without a record', async () => {
    const temp = await spool.createTemp();
    await temp.close();
    for (const round of [2, 3])
      await (await DurableFile.create(await spool.partialPlace({ ...key, round }))).close();
    for (const name of ['kept', 'gone']) await writeFile(spool.pathOf(sha(name)), name);
    await mkdir(join(spool.folder, 'not-ours'));
    const again = await TensorSpool.open(spool.folder);
    expect(await readdir(spool.folder)).toContain('partial');
    expect((await readdir(spool.folder)).some((name) => name.startsWith('temp-'))).toBe(false);
    expect(await again.collectGarbage(new Set([sha('kept')]), new Map([['run', new Set([3])]]))).toBe(2);
    expect(await again.size(sha('kept'))).toBe(4);
    expect(await again.size(sha('gone'))).toBeUndefined();
    expect(await readdir(join(spool.folder, 'partial', 'run'))).toEqual(['3']);
    expect(await readdir(spool.folder)).toContain('not-ours');
  });

  it('says storage_failed where its folder cannot be made', async () => {
    await writeFile(join(folder, 'file'), '');
    await expect(TensorSpool.open(join(folder, 'file', 'spool'))).rejects.toMatchObject({
      code: 'storage_failed',
    });
  });
});

describe('readChunks', () => {
  it('reads from an offset in pieces', async () => {
    const path = join(folder, 'file');
    await writeFile(path, '0123456789');
    expect(await contentOf(path, 0, 10, 4)).toEqual(['0123', '4567', '89']);
    expect(await contentOf(path, 5, 9, 4)).toEqual(['5678']);
    expect(await contentOf(path, 10, 10, 4)).toEqual([]);
  });

  it('says what is wrong with a file that is short or missing', async () => {
    const path = join(folder, 'file');
    await writeFile(path, '01234');
    await expect(contentOf(path, 0, 10, 4)).rejects.toMatchObject({ code: 'storage_corrupt' });
    await expect(contentOf(`${path}x`, 0, 10, 4)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the bundles', () => {
  const manifest = JSON.stringify({
    format: 'fedrot-bundle',
    files: [{ name: 'model.onnx', bytes: 5, sha256: sha('model') }],
  });
  const bundle = sha(manifest);
  let bundles: BundleFolder;

  beforeEach(async () => {
    bundles = await BundleFolder.open(join(folder, 'bundles'));
  });

  async function push(file: string, content: string): Promise<void> {
    const temp = await bundles.createTemp(bundle, file);
    await temp.append(Buffer.from(content));
    if (file === 'manifest.json') await bundles.complete(bundle, temp).finally(() => temp.close());
    else await temp.publish(bundles.pathOf(bundle, file));
  }

  it('are complete when the manifest has come last and everything is right', async () => {
    await push('model.onnx', 'model');
    expect(await bundles.list()).toEqual([{ sha256: bundle, bytes: 5, complete: false }]);
    await expect(bundles.find(bundle, 'model.onnx')).rejects.toThrow('has to push it');
    await push('manifest.json', manifest);
    expect(await bundles.list()).toEqual([{ sha256: bundle, bytes: 5 + manifest.length, complete: true }]);
    expect(await bundles.find(bundle, 'model.onnx')).toMatchObject({ bytes: 5, sha256: sha('model') });
    expect(await bundles.find(bundle, 'manifest.json')).toMatchObject({ sha256: bundle });
    await expect(bundles.find(bundle, 'other')).rejects.toMatchObject({ code: 'not_found' });
  });

  it.each([
    ['a file that is missing', undefined, manifest, 'precondition_failed'],
    ['a file with another content', 'MODEL', manifest, 'checksum_mismatch'],
    ['a file of another size', 'models', manifest, 'checksum_mismatch'],
    ['a manifest with another hash', 'model', `${manifest} `, 'checksum_mismatch'],
  ])('are refused for %s', async (_what, content, given, code) => {
    if (content !== undefined) await push('model.onnx', content);
    await expect(push('manifest.json', given)).rejects.toMatchObject({ code });
    expect(await bundles.isComplete(bundle)).toBe(false);
  });

  it.each(['../escape', 'a/b', '.hidden', '', 'C:\\x', 'a\0b'])('have no file called %j', async (name) => {
    await expect(bundles.createTemp(bundle, name)).rejects.toMatchObject({ code: 'option_invalid' });
  });

  it('have no other names than hashes', async () => {
    await expect(bundles.createTemp('..', 'x')).rejects.toMatchObject({ code: 'option_invalid' });
  });
});
