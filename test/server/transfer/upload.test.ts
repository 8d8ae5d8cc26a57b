import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openUpload, type Upload, type UploadPlace } from '../../../src/server/transfer/upload-file.js';
import { UploadThread } from '../../../src/server/transfer/upload-thread.js';
import { canonicalHeader, payloadBytes } from '../../../src/tensor/canonical.js';
import type { TensorInfo } from '../../../src/tensor/tensor.js';
import { removeFolder, tempFolder } from '../support/harness.js';

const CHUNK = 40_000;
const tensors: readonly TensorInfo[] = [
  { name: 'a', dtype: 'f32', shape: [100, 300] },
  { name: 'b', dtype: 'f32', shape: [20_001] },
];
const payload = new Float32Array(payloadBytes(tensors) / 4).map((_, i) => Math.sin(i));
const bytes = Buffer.from(payload.buffer);
const whole = Buffer.concat([canonicalHeader(tensors), bytes]);
const digest = createHash('sha256').update(whole).digest();

const thread = new UploadThread();
let folder: string;
beforeEach(async () => {
  folder = await tempFolder();
});
afterEach(() => removeFolder(folder));
afterAll(() => thread.close());

const place = (offset = 0): UploadPlace => ({ path: join(folder, 'partial'), tensors, offset });

/** Chunks as they come: each in memory of its own, behind a frame of some bytes. */
function* chunks(from: number, to: number): Generator<[offset: number, data: Buffer]> {
  for (let at = from; at < to; at += CHUNK) {
    const piece = bytes.subarray(at, Math.min(at + CHUNK, to));
    const message = Buffer.from(new ArrayBuffer(piece.length + 9));
    piece.copy(message, 9);
    yield [at, message.subarray(9)];
  }
}

async function takeAll(upload: Upload, from = 0, to = bytes.length): Promise<void> {
  for (const [at, data] of chunks(from, to)) await upload.take(at, data);
}

describe.each([
  ['on the main thread', openUpload],
  ['in a thread', (where: UploadPlace) => thread.open(where)],
] as const)('an upload taken %s', (_where, open) => {
  it('is checked, hashed and written, and shows under its name when it is whole', async () => {
    const upload = await open(place());
    await takeAll(upload);
    const { sha256, norm } = await upload.finish(digest);
    expect(sha256).toBe(digest.toString('hex'));
    expect(norm / Math.hypot(...payload)).toBeCloseTo(1, 12);
    await upload.publish(join(folder, 'whole'));
    expect((await readFile(join(folder, 'whole'))).equals(whole)).toBe(true);
  });

  it('is continued where it was left, whatever was written beyond', async () => {
    const first = await open(place());
    await takeAll(first, 0, 3 * CHUNK);
    expect(await first.suspend()).toBe(3 * CHUNK);
    const second = await open(place(2 * CHUNK));
    await takeAll(second, 2 * CHUNK);
    await second.finish(digest);
    await second.publish(join(folder, 'whole'));
    expect((await readFile(join(folder, 'whole'))).equals(whole)).toBe(true);
  });

  it('several at once do not touch each other', async () => {
    const uploads = await Promise.all(
      ['x', 'y', 'z'].map((name) => open({ path: join(folder, name), tensors, offset: 0 })),
    );
    for (const [at, data] of chunks(0, bytes.length))
      await Promise.all(uploads.map((upload) => upload.take(at, Buffer.from(data))));
    for (const upload of uploads) expect((await upload.finish(digest)).sha256).toBe(digest.toString('hex'));
    await Promise.all(uploads.map((upload) => upload.discard()));
  });

  it('says what is wrong with a chunk, by the end at the latest, and takes none after it', async () => {
    const upload = await open(place());
    const took = (async () => {
      for (const [at, data] of chunks(0, bytes.length)) {
        if (at === CHUNK) data.writeFloatLE(NaN, 4);
        await upload.take(at, data);
      }
      await upload.finish(digest);
    })();
    await expect(took).rejects.toMatchObject({
      code: 'tensor_not_finite',
      message: expect.stringContaining('tensor a, f32 [100, 300]: element 10001') as string,
    });
    expect(await upload.suspend()).toBe(CHUNK);
  });

  it('refuses a chunk in the wrong place, a wrong digest, and an end that comes too early', async () => {
    const jumps = await open(place());
    const took = (async () => {
      await takeAll(jumps, 0, CHUNK);
      await takeAll(jumps, 2 * CHUNK);
      await jumps.finish(digest);
    })();
    await expect(took).rejects.toMatchObject({ code: 'stream_truncated' });
    await jumps.discard();
    await expect(readFile(place().path)).rejects.toMatchObject({ code: 'ENOENT' });

    const short = await open(place());
    await takeAll(short, 0, CHUNK);
    await expect(short.finish(digest)).rejects.toMatchObject({ code: 'stream_truncated' });
    await short.discard();

    const wrong = await open(place());
    await takeAll(wrong);
    await expect(wrong.finish(Buffer.alloc(32))).rejects.toMatchObject({ code: 'checksum_mismatch' });
    await wrong.discard();
  });

  it('does not continue what began with another manifest', async () => {
    const upload = await open(place());
    await takeAll(upload, 0, CHUNK);
    await upload.suspend();
    const others = [{ name: 'c', dtype: 'f32', shape: [50_001] }] as const;
    await expect(open({ ...place(CHUNK), tensors: others })).rejects.toMatchObject({
      code: 'stream_truncated',
      message: expect.stringContaining('its manifest is not the one') as string,
    });
  });

  it('says where it cannot write, and when there is no room', async () => {
    if (existsSync('/dev/full'))
      await expect(open({ ...place(), path: '/dev/full' })).rejects.toMatchObject({ code: 'storage_full' });
    await expect(open({ ...place(), path: join(folder, 'no', 'such') })).rejects.toMatchObject({
      code: 'storage_failed',
    });
  });
});

/** A thread that opens an upload, and then dies of what comes. */
const DIES = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ seq, name }) => {
      if (name !== 'open') throw new Error('out of something');
      parentPort.postMessage({ seq, outcome: undefined });
    });`)}`,
);

/** A thread in which every chunk fails with this. */
const fails = (code: string): URL =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads';
    parentPort.on('message', ({ seq, name }) => {
      const error = { code: '${code}', message: 'by design' };
      parentPort.postMessage(name === 'take' ? { seq, error } : { seq, outcome: 0 });
    });`)}`,
  );

describe('the thread that takes uploads', () => {
  it('is given what lies alone in its memory, and a copy of what does not', async () => {
    const upload = await thread.open(place());
    const [[, first]] = [...chunks(0, CHUNK)] as [[number, Buffer]];
    await upload.take(0, first);
    expect(first.buffer.byteLength).toBe(0);
    const shared = Buffer.from(bytes);
    await upload.take(CHUNK, shared.subarray(CHUNK, 2 * CHUNK));
    expect(shared.equals(bytes)).toBe(true);
    expect(await upload.suspend()).toBe(2 * CHUNK);
  });

  it.each([
    ['storage_full', { rejects: { code: 'storage_full' } }],
    ['tensor_not_finite', { resolves: 0 }],
  ] as const)('that was cut says %s of a chunk if nobody has heard it', async (code, expected) => {
    const failing = new UploadThread({ url: fails(code) });
    const upload = await failing.open(place());
    const [[, first]] = [...chunks(0, CHUNK)] as [[number, Buffer]];
    await upload.take(0, first);
    if ('rejects' in expected) await expect(upload.suspend()).rejects.toMatchObject(expected.rejects);
    else expect(await upload.suspend()).toBe(expected.resolves);
    await failing.close();
  });

  it('can die: its uploads are told, somebody hears why, and another takes the next', async () => {
    const causes: unknown[] = [];
    const dying = new UploadThread({ url: DIES, onDeath: (cause) => causes.push(cause) });
    const refused = {
      code: 'unavailable',
      message: expect.stringContaining('ask GetUploadStatus') as string,
    };
    for (const deaths of [1, 2]) {
      const [one, two] = await Promise.all([dying.open(place()), dying.open(place())]);
      await expect(one.finish(digest)).rejects.toMatchObject(refused);
      await expect(two.suspend()).rejects.toMatchObject(refused);
      await expect(one.discard()).rejects.toMatchObject(refused);
      expect(causes).toMatchObject(Array.from({ length: deaths }, () => ({ message: 'out of something' })));
    }
    await dying.close();
  });

  it('is done without where it does not start', async () => {
    const causes: unknown[] = [];
    const url = new URL('data:text/javascript,throw new Error("no such thing")');
    const none = new UploadThread({ url, onDeath: (cause) => causes.push(cause) });
    const upload = await none.open(place());
    await takeAll(upload);
    expect((await upload.finish(digest)).sha256).toBe(digest.toString('hex'));
    await upload.discard();
    expect(causes).toMatchObject([{ message: 'no such thing' }]);
    await none.close();
  });

  it('ends when it has nothing to do, not while an upload waits for more, and is started again', async () => {
    const short = new UploadThread({ idleMs: 30 });
    const upload = await short.open(place());
    await takeAll(upload, 0, 2 * CHUNK);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await upload.suspend()).toBe(2 * CHUNK);
    await new Promise((resolve) => setTimeout(resolve, 100));
    const again = await short.open(place(CHUNK));
    await takeAll(again, CHUNK);
    expect((await again.finish(digest)).sha256).toBe(digest.toString('hex'));
    await again.discard();
    await short.close();
  });

  it('closes when the uploads that were cut have made durable what they have, and takes none after that', async () => {
    const closing = new UploadThread();
    const upload = await closing.open(place());
    await takeAll(upload, 0, 2 * CHUNK);
    const closed = closing.close();
    expect(await upload.suspend()).toBe(2 * CHUNK);
    await closed;
    await expect(closing.open(place())).rejects.toMatchObject({ code: 'unavailable' });
  });
});
