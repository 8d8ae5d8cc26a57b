import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { siloService } from '../../../src/rpc/protos.js';
import type { TensorStream } from '../../../src/rpc/gen/fedrot/v1/TensorStream.js';
import type { FileStream } from '../../../src/rpc/gen/fedrot/v1/FileStream.js';
import { Serialized } from '../../../src/rpc/serialized.js';
import { sendFile } from '../../../src/server/transfer/send-stream.js';
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

  it('are smaller while many streams are under way, at places that all of them share', () => {
    const chunks = new SharedChunks();
    const MiB = 1024 * 1024;
    const leave = Array.from({ length: 32 }, () => chunks.enter());
    expect(chunks.chunkBytes(0, MiB / 2)).toBe(MiB / 2);
    leave.push(...Array.from({ length: 32 }, () => chunks.enter()));
    expect(chunks.chunkBytes(0, MiB / 2)).toBe(MiB / 4);
    expect(chunks.chunkBytes(3, MiB / 2)).toBe(MiB / 4);
    leave.push(...Array.from({ length: 936 }, () => chunks.enter()));
    expect(chunks.chunkBytes(MiB, MiB / 2)).toBe(MiB / 8);
    // A chunk that is small for another reason stays as it is.
    expect(chunks.chunkBytes(0, 1000)).toBe(1000);
    for (const each of [...leave, ...leave]) each();
    expect(chunks.chunkBytes(MiB, MiB / 2)).toBe(MiB / 2);
    // Where larger ones begin again, they begin where the others' do.
    expect(chunks.chunkBytes(MiB / 8, MiB / 2)).toBe(MiB / 8);
    expect(chunks.chunkBytes(MiB / 4, MiB / 2)).toBe(MiB / 4);
    expect(chunks.chunkBytes(MiB / 8 + 1, MiB / 2)).toBe(MiB / 2);
  });

  it('make the same file, whatever their sizes were on the way', async () => {
    const file = join(folder, 'large');
    const large = Buffer.alloc(3 * 1024 * 1024 + 5, 'what there is to send');
    await writeFile(file, large);
    const chunks = new SharedChunks();
    const options = { chunkBytes: 512 * 1024, onSent: () => undefined, shared: chunks };
    const others: (() => void)[] = [];
    for (const offset of [0, 4321]) {
      const sizes = new Set<number>();
      const received: Buffer[] = [];
      for await (const message of sendFile(
        file,
        { name: 'large', bytes: large.length, sha256: '00' },
        { ...options, offset },
      )) {
        if (!(message instanceof Serialized)) continue;
        const { chunk } = siloService.methods.FetchBundleFile!.responseDeserialize(
          message.bytes,
        ) as FileStream;
        expect(chunk?.offset).toBe(offset + received.reduce((sum, { length }) => sum + length, 0));
        received.push(chunk?.data ?? Buffer.alloc(0));
        sizes.add(received.at(-1)!.length);
        if (received.length === 2) others.push(...Array.from({ length: 100 }, () => chunks.enter()));
        if (received.length === 5) for (const leave of others.splice(0)) leave();
      }
      expect(Buffer.concat(received).equals(large.subarray(offset))).toBe(true);
      expect(sizes.size).toBeGreaterThan(2);
    }
    // Streams that have ended do not count any more.
    expect(chunks.chunkBytes(0, options.chunkBytes * 32)).toBe(options.chunkBytes * 32);
  });
});
