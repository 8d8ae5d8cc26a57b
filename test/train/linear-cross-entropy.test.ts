import { describe, expect, it } from 'vitest';
import { inlineConstants } from '../../src/train/autodiff/constants.js';
import { differentiate } from '../../src/train/autodiff/differentiate.js';
import { crossEntropy } from '../../src/train/cross-entropy.js';
import { frozenHead } from '../../src/train/frozen-head.js';
import { int, ints } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { encodeModel } from '../../src/train/ir/codec.js';
import type { Model } from '../../src/train/ir/graph.js';
import { doubleTensor } from '../../src/train/ir/tensor-value.js';
import { linearCrossEntropy } from '../../src/train/linear-cross-entropy.js';
import { openRuntime } from '../../src/train/ort.js';
import { probeTypes } from '../../src/train/shapes/probe.js';
import { expandForDouble } from './support/double-kernels.js';
import { worstDifference } from './support/finite-differences.js';
import { uniform } from './support/random.js';

const [HIDDEN, CLASSES] = [3, 11];

/** How exporters write a head; each returns the logits. */
const HEADS: Readonly<Record<string, (b: GraphBuilder) => string>> = {
  'MatMul, in × out': (b) => b.op('MatMul', ['x', weight(b, HIDDEN, CLASSES)]),
  'MatMul and a bias': (b) =>
    b.op('Identity', [b.op('Add', [bias(b), b.op('MatMul', ['x', weight(b, HIDDEN, CLASSES)])])]),
  'the transpose of an embedding': (b) =>
    b.op('MatMul', ['x', b.op('Transpose', [weight(b, CLASSES, HIDDEN)], { perm: ints([1, 0]) })]),
  'Gemm on rows, then a Reshape': (b) => {
    const rows = b.op('Reshape', ['x', b.constant(vector([-1, HIDDEN]))]);
    const scores = b.op('Gemm', [rows, weight(b, CLASSES, HIDDEN), bias(b)], { transB: int(1) });
    const lead = b.op('Slice', [b.op('Shape', ['x']), ...[[0], [2]].map((at) => b.constant(vector(at)))]);
    return b.op('Reshape', [scores, b.op('Concat', [lead, b.constant(vector([CLASSES]))], { axis: int(0) })]);
  },
};

const vector = (values: readonly number[]): ReturnType<typeof doubleTensor> => ({
  type: 'int64',
  dims: [values.length],
  data: { kind: 'inline', bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer) },
});
const weight = (b: GraphBuilder, rows: number, columns: number): string =>
  b.constant(doubleTensor([rows, columns], uniform(1, rows * columns, [-2, 2])));
const bias = (b: GraphBuilder): string => b.constant(doubleTensor([CLASSES], uniform(2, CLASSES, [-1, 1])));

function headOf(write: (b: GraphBuilder) => string, opset: number): { model: Model; logits: string } {
  const builder = new GraphBuilder({ opset });
  builder.input('x', 'double', ['batch', 'sequence', HIDDEN]);
  const logits = write(builder);
  builder.output(logits, 'double', ['batch', 'sequence', CLASSES]);
  return { model: builder.build(), logits };
}

async function results(
  model: Model,
  x: Float64Array,
  labels: readonly number[],
): Promise<{ loss: number; count: number; gradient: Float64Array }> {
  const runtime = await openRuntime(encodeModel(expandForDouble(model)), { optimization: 'disabled' });
  const sequence = labels.length / 2;
  const found = await runtime.run(
    {
      x: { type: 'double', dims: [2, sequence, HIDDEN], data: x },
      labels: { type: 'int64', dims: [2, sequence], data: BigInt64Array.from(labels, BigInt) },
    },
    ['loss', 'count', 'gradient'],
  );
  await runtime.close();
  expect(found.gradient?.dims).toEqual([2, sequence, HIDDEN]);
  return {
    loss: Number(found.loss?.data[0]),
    count: Number(found.count?.data[0]),
    gradient: found.gradient?.data as Float64Array,
  };
}

const LABELS: readonly (readonly number[])[] = [
  [0, 10, 3, -100, 5, 5, 1, 2, -100, 7],
  // Fewer rows that count than parts, and none.
  [-100, 4],
  [-100, -100, -100, 2, -100, 6],
  [-100, -100],
];

describe('cross-entropy behind a frozen head', () => {
  for (const opset of [13, 18])
    it.each(Object.keys(HEADS))(`%s, opset ${opset}: as by way of the logits`, async (name) => {
      const { model, logits } = headOf(HEADS[name]!, opset);
      const types = await probeTypes(model);
      const head = frozenHead(model, types, logits);
      if (head === undefined) throw new Error('the head was not found');

      const direct = GraphBuilder.from(model, { outputs: [] });
      direct.input('labels', 'int64', ['batch', 'sequence']);
      const own = linearCrossEntropy(direct, head, { type: 'double', dims: types.dims(head.x) }, 'labels');
      const shape = direct.op('Shape', ['x']);
      direct.op('Reshape', [own.gradient(), shape], {}, 'gradient');
      const whole = GraphBuilder.from(model, { outputs: [] });
      whole.input('labels', 'int64', ['batch', 'sequence']);
      const plain = crossEntropy(whole, { name: logits, type: 'double', dims: types.dims(logits) }, 'labels');
      const gradient = differentiate({
        model,
        builder: whole,
        types,
        constants: inlineConstants(model.graph),
        seeds: new Map([[logits, plain.gradient()]]),
        wanted: ['x'],
      }).get('x');
      whole.op('Identity', [gradient ?? ''], {}, 'gradient');
      for (const [builder, nodes] of [
        [direct, own],
        [whole, plain],
      ] as const) {
        builder.op('Identity', [nodes.loss], {}, 'loss');
        builder.op('Identity', [nodes.count], {}, 'count');
        for (const output of ['loss', 'count', 'gradient']) builder.output(output, 'double', []);
      }
      const [small, large] = [direct, whole].map((builder) => {
        const built = builder.build();
        const outputs = built.graph.outputs.map((output) => ({ ...output, unknownRank: true }));
        return { ...built, graph: { ...built.graph, outputs } };
      });
      for (const labels of LABELS) {
        const x = uniform(3, labels.length * HIDDEN, [-3, 3]);
        const [actual, expected] = [await results(small!, x, labels), await results(large!, x, labels)];
        expect(actual.count).toBe(expected.count);
        expect(Math.abs(actual.loss - expected.loss)).toBeLessThan(1e-12);
        expect(worstDifference(actual.gradient, expected.gradient)).toBeLessThan(1e-11);
      }
    });

  // ONNX Runtime takes last what nothing waits for: the logits of all parts would be in memory until the losses are taken.
  it('takes the losses of a part before its gradient', () => {
    const builder = new GraphBuilder({ opset: 18 });
    builder.input('x', 'double', ['rows', HIDDEN]);
    builder.input('labels', 'int64', ['rows']);
    const table = weight(builder, CLASSES, HIDDEN);
    const head = { x: 'x', weight: table, outIn: true, in: HIDDEN, classes: CLASSES };
    linearCrossEntropy(builder, head, { type: 'double', dims: ['rows', HIDDEN] }, 'labels').gradient();
    const { nodes } = builder.graph();
    const losses = nodes.filter(({ op }) => op === 'Log').map(({ outputs }) => outputs[0] ?? '');
    expect(losses.length).toBeGreaterThan(1);
    for (const loss of losses) {
      const behind = new Set([loss]);
      for (const { inputs, outputs } of nodes)
        if (inputs.some((name) => behind.has(name))) outputs.forEach((name) => behind.add(name));
      const columns = nodes.filter(({ op, inputs }) => op === 'Gather' && inputs[0] === table);
      expect(columns.filter(({ outputs }) => behind.has(outputs[0] ?? ''))).toHaveLength(1);
    }
  });

  it('is not taken where anything lies between the product and the logits', async () => {
    const capped = headOf((b) => b.op('Tanh', [HEADS['MatMul, in × out']!(b)]), 18);
    expect(frozenHead(capped.model, await probeTypes(capped.model), capped.logits)).toBeUndefined();
  });
});
