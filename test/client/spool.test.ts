import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Spool } from '../../src/client/spool.js';
import { systemClock } from '../../src/clock.js';
import { sha256Hex } from '../../src/sha256.js';
import { openTensorFile } from '../../src/tensor/safetensors-file.js';
import { trainTask as task } from './train-task.js';

let folder: string;
let spool: Spool;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fedrot-spool-'));
  spool = new Spool(folder, systemClock);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const result = {
  tensors: [{ name: 'x', shape: [3], data: Float32Array.of(1, 2.5, -3) }],
  examples: 12,
  metrics: { loss: 0.5, steps: 3, seconds: 1.5, tokens: 44 },
};

describe('Spool', () => {
  it('gives back what was put, in the dtype that was asked for', async () => {
    const put = await spool.put(task(), result, 'bf16');
    const found = await new Spool(folder, systemClock).find(task());
    expect(found).toEqual(put);
    expect(found?.sha256).toBe(sha256Hex(readFileSync(put.path)));
    const file = openTensorFile(put.path);
    expect(file.tensors).toEqual([{ name: 'x', dtype: 'bf16', shape: [3] }]);
    expect([...file.read('x')]).toEqual([1, 2.5, -3]);
    file.close();
  });

  it.each([
    ['run', { runId: 'other' }],
    ['round', { round: 3 }],
    [
      'starting adapter',
      {
        adapter: {
          runId: 'run',
          version: 1,
          sha256: Buffer.alloc(32, 8),
          bytes: 10,
          merge: null,
          best: false,
        },
      },
    ],
    ['settings', { specJson: '{"seed":1}' }],
    ['instructions', { instructionsJson: '{"train":"a"}' }],
    ['bundle', { bundleSha256: 'c' }],
  ])('does not serve a task with another %s', async (_what, changes) => {
    await spool.put(task(), result, 'f32');
    expect(await spool.find(task(changes))).toBeUndefined();
    expect(await spool.find(task({ deadlineMs: 99 }))).toBeDefined();
  });

  it('does not trust a damaged file or record', async () => {
    const { path } = await spool.put(task(), result, 'f32');
    truncateSync(path, 20);
    expect(await spool.find(task())).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
    const again = await spool.put(task(), result, 'f32');
    writeFileSync(again.path.replace('.safetensors', '.json'), '{"sha');
    expect(await spool.find(task())).toBeUndefined();
  });

  it('refuses what is not finite in the dtype', async () => {
    const tensors = [{ name: 'x', shape: [1], data: Float32Array.of(1e6) }];
    await expect(spool.put(task(), { ...result, tensors }, 'f16')).rejects.toMatchObject({
      code: 'tensor_not_finite',
    });
    expect(await spool.find(task())).toBeUndefined();
  });

  it('forgets earlier rounds of the run, leftovers and what is very old; nothing else', async () => {
    await spool.put(task({ round: 1 }), result, 'f32');
    const current = await spool.put(task({ round: 2 }), result, 'f32');
    const other = await spool.put(task({ runId: 'other', round: 1 }), result, 'f32');
    const old = await spool.put(task({ runId: 'old' }), result, 'f32');
    const longAgo = (Date.now() - 30 * 86_400_000) / 1000;
    utimesSync(old.path.replace('.safetensors', '.json'), longAgo, longAgo);
    writeFileSync(join(folder, 'crashed.safetensors.partial'), 'x');
    await spool.prune(task({ round: 2 }));
    const kept = [current, other].flatMap(({ path }) => [path, path.replace('.safetensors', '.json')]);
    expect(readdirSync(folder).sort()).toEqual(kept.map((path) => path.slice(folder.length + 1)).sort());
  });

  it('has nothing in a folder that does not exist', async () => {
    const empty = new Spool(join(folder, 'no'), systemClock);
    expect(await empty.find(task())).toBeUndefined();
    await empty.prune(task());
  });
});
