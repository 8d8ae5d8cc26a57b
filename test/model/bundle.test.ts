import { chmod, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import type { BundleManifest } from '../../src/model/bundle-manifest.js';
import { digestFile } from '../../src/model/file-digest.js';
import { sha256Hex } from '../../src/sha256.js';
import { encodeModel } from '../../src/train/ir/codec.js';
import { loadModel } from '../../src/train/ir/files.js';
import { tinyBundle, tinyCheckpoint } from './tiny-bundle.js';

let folder: string;
let bundle: string;
let sha256: string;
beforeEach(async () => {
  folder = await tinyCheckpoint();
  ({ folder: bundle, sha256 } = await tinyBundle(folder));
});
afterEach(() => rm(folder, { recursive: true }));

const verified = { verify: true };

/** Writes another manifest; returns nothing that would make it right. */
async function rewrite(
  change: (manifest: Record<string, unknown> & BundleManifest) => unknown,
): Promise<void> {
  const path = join(bundle, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Record<string, unknown> & BundleManifest;
  await writeFile(path, JSON.stringify(change(manifest)));
}

describe('openBundle', () => {
  it('opens what createBundle made', async () => {
    const opened = await openBundle(bundle, { verify: true, sha256 });
    expect(opened.sha256).toBe(sha256);
    const tokenizer = await opened.openTokenizer();
    expect(tokenizer.encode('Free money, now!', { maxTokens: 20 }).ids).toEqual([2, 5, 21, 1, 10, 16, 3]);
  });

  it('knows which bundle was asked for', async () => {
    await expect(openBundle(bundle, { verify: false, sha256: sha256Hex('another') })).rejects.toMatchObject({
      code: 'checksum_mismatch',
    });
  });

  // Root may read everything.
  it.skipIf(process.getuid === undefined || process.getuid() === 0)(
    'says that a bundle may not be read, not that it is none',
    async () => {
      await chmod(join(bundle, 'manifest.json'), 0);
      await expect(openBundle(bundle, verified)).rejects.toThrow(/this user \(\d+\) may not read it/);
    },
  );
  it('says that a folder is no bundle', async () => {
    await expect(openBundle(folder, verified)).rejects.toThrow(/is no bundle: it has no manifest\.json/);
  });

  it('finds a changed byte', async () => {
    const path = join(bundle, 'model.onnx.data');
    const bytes = await readFile(path);
    bytes[100]! ^= 1;
    await writeFile(path, bytes);
    await expect(openBundle(bundle, verified)).rejects.toMatchObject({ code: 'checksum_mismatch' });
    await openBundle(bundle, { verify: false }); // sizes only, for a bundle that was verified when it came
  });

  it('finds a file that is cut, missing, or not listed', async () => {
    await truncate(join(bundle, 'model.onnx.data'), 99);
    await expect(openBundle(bundle, { verify: false })).rejects.toThrow(/model\.onnx\.data: has 99 bytes/);
    await rm(join(bundle, 'model.onnx.data'));
    await expect(openBundle(bundle, { verify: false })).rejects.toThrow(/model\.onnx\.data: is missing/);
    await mkdir(join(bundle, 'model.onnx.data'));
    await expect(openBundle(bundle, { verify: false })).rejects.toThrow(/is missing/);
    await writeFile(join(bundle, 'surprise.bin'), 'x');
    await expect(openBundle(bundle, verified)).rejects.toThrow(/surprise\.bin: is not listed/);
  });

  it.each(['../secret', '/etc/passwd', 'a/b', '..', '.hidden', 'a\\b', ''])(
    'refuses a manifest that lists the file %j',
    async (name) => {
      await rewrite((manifest) => ({
        ...manifest,
        files: [...manifest.files, { name, bytes: 1, sha256: sha256Hex('x') }],
      }));
      await expect(openBundle(bundle, verified)).rejects.toThrow(/files\.4\.name: must be a plain file name/);
    },
  );

  it.each([
    [(m: BundleManifest) => ({ ...m, extra: 1 }), /extra/],
    [(m: BundleManifest) => ({ ...m, version: 2 }), /version: is not a version of the bundle format/],
    [(m: BundleManifest) => ({ ...m, files: [...m.files, m.files[0]!] }), /lists a file twice/],
    [(m: BundleManifest) => ({ ...m, model: { ...m.model, file: 'other.onnx' } }), /does not list its model/],
    [
      (m: BundleManifest) => ({ ...m, task: { kind: 'text-classification', labels: ['one'] } }),
      /task\.labels/,
    ],
  ])('refuses a manifest that is wrong (%#)', async (change, message) => {
    await rewrite(change);
    await expect(openBundle(bundle, verified)).rejects.toThrow(message);
  });

  it.each([
    ['../secret', /external data must lie beside the model/],
    ['unlisted.bin', /lies outside the bundle's files \(unlisted\.bin\)/],
    ['config.json', /lies outside the bundle's files \(config\.json\)/],
  ])('refuses a model whose weights lie in %s', async (file, message) => {
    const model = loadModel(bundle);
    const initializers = new Map(model.graph.initializers);
    const [name, value] = [...initializers].find(([, { data }]) => data.kind === 'external')!;
    if (value.data.kind !== 'external') throw new TypeError('external expected');
    initializers.set(name, { ...value, data: { ...value.data, file } });
    await writeFile(
      join(bundle, 'model.onnx'),
      encodeModel({ ...model, graph: { ...model.graph, initializers } }),
    );
    const digest = await digestFile(join(bundle, 'model.onnx'));
    await rewrite((manifest) => ({
      ...manifest,
      files: manifest.files.map((each) =>
        each.name === 'model.onnx' ? { name: each.name, ...digest } : each,
      ),
    }));
    await expect(openBundle(bundle, verified)).rejects.toThrow(message);
  });

  it('opens a bundle through a link', async () => {
    await symlink(bundle, join(folder, 'link'));
    expect((await openBundle(join(folder, 'link'), verified)).sha256).toBe(sha256);
  });
});
