import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { siloService } from '../../../src/rpc/protos.js';
import type { TensorStream } from '../../../src/rpc/gen/fedrot/v1/TensorStream.js';
import type { FileStream } from '../../../src/rpc/gen/fedrot/v1/FileStream.js';
import { SharedChunks } from '../../../src/server/transfer/shared-chunks.js';

let folder = '';
let path = '';
const content = Buffer.from(Array.from({ length: 3000 }, (_, i) => i % 251));
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fedrot-chunks-'));
  path = join(folder, 'file');
  await writeFile(path, content);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('chunks for many', () => {
  it('reads and serializes once what several ask for', async () => {
    const chunks = new SharedChunks();
    const [one, two] = await Promise.all([chunks.get(path, 100, 1000, 40), chunks.get(path, 100, 1000, 40)]);
    expect(one).toBe(two);
    expect(await chunks.get(path, 101, 1000, 41)).not.toBe(one);
  });

  it('is a chunk of adapters and of bundle files alike', async () => {
    const { bytes } = await new SharedChunks().get(path, 100, 1000, 40);
    const tensors = siloService.methods.FetchAdapter!.responseDeserialize(bytes) as TensorStream;
    const file = siloService.methods.FetchBundleFile!.responseDeserialize(bytes) as FileStream;
    for (const { part, chunk } of [tensors, file]) {
      expect(part).toBe('chunk');
      expect(chunk?.offset).toBe(40);
      expect(chunk?.data.equals(content.subarray(100, 1100))).toBe(true);
    }
  });

  it('asks again after a failure', async () => {
    const chunks = new SharedChunks();
    const missing = join(folder, 'later');
    await expect(chunks.get(missing, 0, 10, 0)).rejects.toMatchObject({ code: 'not_found' });
    await writeFile(missing, content);
    await expect(chunks.get(missing, 0, 10, 0)).resolves.toBeDefined();
    await expect(chunks.get(path, 2990, 100, 2990)).rejects.toMatchObject({ code: 'storage_corrupt' });
  });
});
