import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { int } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import type { Model } from '../../../src/train/ir/graph.js';
import { normalizeModel } from '../../../src/train/ir/normalize.js';
import { floatTensor } from '../../../src/train/ir/tensor-value.js';
import { openRuntime } from '../../../src/train/ort.js';
import { repoPath } from '../../support/repo.js';
import { numbers } from '../support/token-graph.js';

const HIDDEN = 4;
const X = { type: 'float' as const, dims: [2, 3, HIDDEN], data: numbers(9, [2, 3, HIDDEN]) };

/** com.microsoft Attention of two heads on [batch, sequence, 4], with the bias given or without one. */
function attention(bias?: readonly number[]): Model {
  const builder = new GraphBuilder({ opset: 18 });
  builder.input('x', 'float', ['batch', 'sequence', HIDDEN]);
  const dims = [HIDDEN, 3 * HIDDEN];
  const weight = builder.initializer('w', floatTensor(dims, numbers(1, dims)));
  const inputs = bias === undefined ? [] : [builder.initializer('b', floatTensor([3 * HIDDEN], bias))];
  builder.op('com.microsoft::Attention', ['x', weight, ...inputs], { num_heads: int(2) }, 'y');
  builder.output('y', 'float', ['batch', 'sequence', HIDDEN]);
  return builder.build();
}

async function outputOf(model: Model): Promise<Float32Array> {
  const runtime = await openRuntime(encodeModel(model));
  try {
    return (await runtime.run({ x: X }, ['y'])).y!.data as Float32Array;
  } finally {
    await runtime.close();
  }
}

describe('com.microsoft Attention without a bias', () => {
  it('gets one of zeros, and computes what it would with those', async () => {
    const own = await outputOf(normalizeModel(attention()));
    expect(own).toEqual(await outputOf(attention(new Array<number>(3 * HIDDEN).fill(0))));
    expect(own.some((value) => value !== 0)).toBe(true);
  });

  it('keeps a bias that it has', async () => {
    const model = attention([...numbers(5, [3 * HIDDEN])]);
    expect(await outputOf(normalizeModel(model))).toEqual(await outputOf(model));
  });

  it('is refused where the weight is not stored: the length of the bias follows from it', () => {
    const builder = new GraphBuilder({ opset: 18 });
    builder.input('x', 'float', ['batch', 'sequence', HIDDEN]);
    builder.input('w', 'float', [HIDDEN, 3 * HIDDEN]);
    builder.op('com.microsoft::Attention', ['x', 'w'], { num_heads: int(2) }, 'y');
    builder.output('y', 'float', ['batch', 'sequence', HIDDEN]);
    expect(() => normalizeModel(builder.build())).toThrow(
      expect.objectContaining({
        code: 'op_unsupported',
        message: expect.stringMatching(/no bias/) as string,
      }),
    );
  });

  // Where this fails, ONNX Runtime can do it by now: attention-bias.ts is to go.
  it('takes the process with it as it is', () => {
    const folder = mkdtempSync(join(tmpdir(), 'fedrot-attention-'));
    try {
      writeFileSync(join(folder, 'model.onnx'), encodeModel(attention()));
      const { status, signal } = spawnSync(process.execPath, ['--input-type=module', '-e', CHILD], {
        env: { ...process.env, MODEL: join(folder, 'model.onnx') },
        cwd: repoPath('.'),
        encoding: 'utf8',
      });
      expect({ status, signal }).toEqual({ status: null, signal: 'SIGSEGV' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Runs the model of $MODEL on ONNX Runtime, once. */
const CHILD = `
  import { readFileSync } from 'node:fs';
  import { openRuntime } from './dist/train/ort.js';
  const runtime = await openRuntime(readFileSync(process.env.MODEL));
  await runtime.run({ x: { type: 'float', dims: [2, 3, 4], data: new Float32Array(24).fill(0.5) } }, ['y']);
`;
