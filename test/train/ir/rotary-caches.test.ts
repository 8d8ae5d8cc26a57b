import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import { normalizeModel } from '../../../src/train/ir/normalize.js';
import { floatTensor, int64Tensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { openRuntime, type RuntimeTensor } from '../../../src/train/ort.js';
import { rewriteModel } from '../../../src/train/rewrite/rewrite.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { uniform } from '../support/random.js';

const angles = Float32Array.from({ length: 6 }, (_, i) => 0.3 * i);

/** torch.onnx at opset 23: caches of batch 1 for any batch. */
function rotary(): ReturnType<GraphBuilder['build']> {
  const builder = new GraphBuilder({ opset: 23 });
  builder.input('x', 'float', ['batch', 2, 3, 4]);
  builder.initializer('cos', floatTensor([1, 3, 2], angles.map(Math.cos)));
  builder.initializer('sin', floatTensor([1, 3, 2], angles.map(Math.sin)));
  builder.output(builder.op('RotaryEmbedding', ['x', 'cos', 'sin'], {}, 'y'), 'float', ['batch', 2, 3, 4]);
  return builder.build();
}

/** ONNX Runtime's optimizer for transformers: positions of batch 1 for any batch. */
function contribRotary(): ReturnType<GraphBuilder['build']> {
  const builder = new GraphBuilder({ opset: 18 });
  builder.input('x', 'float', ['batch', 2, 3, 4]);
  builder.initializer('cos', floatTensor([3, 2], angles.map(Math.cos)));
  builder.initializer('sin', floatTensor([3, 2], angles.map(Math.sin)));
  const end = (value: number): string => builder.constant(int64Tensor([], [value]));
  const range = builder.op('Range', [end(0), end(3), end(1)]);
  const positions = builder.op('Unsqueeze', [range, builder.constant(int64Vector([0]))]);
  builder.op('com.microsoft::RotaryEmbedding', ['x', positions, 'cos', 'sin'], {}, 'y');
  builder.output('y', 'float', ['batch', 2, 3, 4]);
  return builder.build();
}

const run = async (model: ReturnType<typeof rotary>, x: RuntimeTensor): Promise<number[]> => {
  const runtime = await openRuntime(encodeModel(model), { optimization: 'disabled' });
  try {
    return Array.from((await runtime.run({ x }, ['y'])).y?.data ?? [], Number);
  } finally {
    await runtime.close();
  }
};

it.each([
  ['caches', rotary],
  ['positions', contribRotary],
])('%s of one row are those of every row of a batch', async (_, rotary) => {
  const data = Float32Array.from(uniform(1, 48));
  const rows = [data.subarray(0, 24), data.subarray(24)];
  const expected: number[] = [];
  // What ONNX Runtime can run of the model as it is: one row at a time.
  for (const row of rows)
    expected.push(...(await run(rotary(), { type: 'float', dims: [1, 2, 3, 4], data: row })));
  const batch: RuntimeTensor = { type: 'float', dims: [2, 2, 3, 4], data };
  const normalized = normalizeModel(rotary());
  expect(await run(normalized, batch)).toEqual(expected);
  const written = await run(rewriteModel(normalized, await probeTypes(normalized)), batch);
  written.forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 6));
  expect(normalizeModel(normalized)).toEqual(normalized);
});
