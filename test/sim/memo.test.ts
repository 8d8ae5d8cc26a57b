import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ActivationFile, ActivationWriter, hasActivations } from '../../src/sim/activation-file.js';
import { Memo } from '../../src/sim/memo.js';

const folder = mkdtempSync(join(tmpdir(), 'fedrot-memo-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe('Memo', () => {
  it('computes once for a key, whatever the order of its members, and again for another', async () => {
    const memo = new Memo(join(folder, 'memo'));
    let computed = 0;
    const work = () => Promise.resolve({ value: ++computed });
    expect(await memo.values({ a: 1, b: [2] }, work)).toEqual({ value: 1 });
    expect(await memo.values({ b: [2], a: 1 }, work)).toEqual({ value: 1 });
    expect(await memo.values({ a: 1, b: [3] }, work)).toEqual({ value: 2 });
  });

  it('gives tensors back bit for bit', async () => {
    const memo = new Memo(join(folder, 'tensors'));
    const data = Float32Array.of(1 / 3, -0, 1e-42, 3e38);
    const work = () =>
      Promise.resolve({ tensors: [{ name: 'x', shape: [2, 2], data }], rest: { loss: 0.1 } });
    await memo.tensors({ k: 1 }, work);
    const again = await memo.tensors({ k: 1 }, () => Promise.reject(new TypeError('computed twice')));
    expect(again.rest).toEqual({ loss: 0.1 });
    expect(again.tensors[0]).toMatchObject({ name: 'x', shape: [2, 2] });
    expect(Buffer.from(again.tensors[0]!.data.buffer)).toEqual(Buffer.from(data.buffer));
  });
});

describe('activation files', () => {
  it('are there when they are whole, and only then', () => {
    const path = join(folder, 'activations', 'a.f32');
    const abandoned = new ActivationWriter(path);
    abandoned.set('x', Float32Array.of(9));
    abandoned.abandon();
    expect(hasActivations(path)).toBe(false);
    const writer = new ActivationWriter(path);
    writer.set('x', Float32Array.of(1, 2, 3));
    writer.set('y', Float32Array.of(4));
    writer.set('x', Float32Array.of(7));
    expect(hasActivations(path)).toBe(false);
    writer.finish();
    expect(hasActivations(path)).toBe(true);
    const file = new ActivationFile(path);
    expect(file.get('x')).toEqual(Float32Array.of(1, 2, 3));
    expect(file.get('y')).toEqual(Float32Array.of(4));
    expect(file.get('z')).toBeUndefined();
    expect([file.has('y'), file.has('z')]).toEqual([true, false]);
  });
});
