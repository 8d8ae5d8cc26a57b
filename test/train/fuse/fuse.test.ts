import { describe, expect, it } from 'vitest';
import { fuseModel } from '../../../src/train/fuse/fuse.js';
import { keepStatistics } from '../../../src/train/fuse/keep-statistics.js';
import { float, int, ints } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import type { Model } from '../../../src/train/ir/graph.js';
import { floatTensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { openRuntime } from '../../../src/train/ort.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { worstDifference } from '../support/finite-differences.js';
import { uniform } from '../support/random.js';

const WIDTH = 5;

type Write = (b: GraphBuilder, c: (value: number) => string) => string;

function modelOf(write: Write, opset = 18): Model {
  const builder = new GraphBuilder({ opset });
  builder.input('x', 'float', ['batch', WIDTH]);
  builder.initializer('scale', floatTensor([WIDTH], [0.5, -1, 2, 0.25, 3]));
  builder.initializer('bias', floatTensor([WIDTH], [1, 0.5, -2, 0, 0.1]));
  const constant = (value: number): string => builder.constant(floatTensor([], [value]));
  builder.op('Identity', [write(builder, constant)], {}, 'y');
  builder.output('y', 'float', ['batch', WIDTH]);
  return builder.build();
}

const opsOf = (model: Model): string[] => model.graph.nodes.map(({ op }) => op);

async function outputOf(model: Model): Promise<Float32Array> {
  const runtime = await openRuntime(encodeModel(model), { optimization: 'disabled' });
  const data = Float32Array.from(uniform(7, 4 * WIDTH, [-3, 3]));
  const { y } = await runtime.run({ x: { type: 'float', dims: [4, WIDTH], data } }, ['y']);
  await runtime.close();
  return y?.data as Float32Array;
}

const half = Math.SQRT1_2;
const slope = Math.sqrt(2 / Math.PI);
const mul = (b: GraphBuilder, ...factors: string[]): string =>
  factors.reduce((product, factor) => b.op('Mul', [product, factor]));

/** The ways in which exporters write these functions. */
const WRITTEN: readonly (readonly [string, string, Write])[] = [
  [
    'GELU, halves first',
    'Gelu',
    (b, c) =>
      mul(b, mul(b, 'x', c(0.5)), b.op('Add', [b.op('Erf', [b.op('Div', ['x', c(Math.SQRT2)])]), c(1)])),
  ],
  [
    'GELU, halves last',
    'Gelu',
    (b, c) => mul(b, 'x', b.op('Add', [c(1), b.op('Erf', [mul(b, c(half), 'x')])]), c(0.5)),
  ],
  [
    'GELU, halves in the distribution',
    'Gelu',
    (b, c) => mul(b, mul(b, c(0.5), b.op('Add', [b.op('Erf', [mul(b, 'x', c(half))]), c(1)])), 'x'),
  ],
  [
    'GELU by tanh, as PyTorch does it',
    'FastGelu',
    (b, c) => {
      const cube = b.op('Pow', ['x', c(3)]);
      const inner = mul(b, c(slope), b.op('Add', ['x', mul(b, c(0.044715), cube)]));
      return mul(b, mul(b, c(0.5), 'x'), b.op('Add', [c(1), b.op('Tanh', [inner])]));
    },
  ],
  [
    'GELU by tanh, in factors',
    'FastGelu',
    (b, c) => {
      const square = mul(b, c(0.044715), 'x', 'x');
      const inner = mul(b, 'x', c(0.7978845608), b.op('Add', [c(1), square]));
      return mul(b, 'x', b.op('Add', [b.op('Tanh', [inner]), c(1)]), c(0.5));
    },
  ],
  ['SiLU', 'QuickGelu', (b) => mul(b, 'x', b.op('Sigmoid', ['x']))],
  ['sigmoid GELU', 'QuickGelu', (b, c) => mul(b, b.op('Sigmoid', [mul(b, c(1.702), 'x')]), 'x')],
  [
    'layer normalization',
    'LayerNormalization',
    (b, c) => {
      const axes = { axes: ints([-1]) };
      const centred = b.op('Sub', ['x', b.op('ReduceMean', ['x'], axes)]);
      const variance = b.op('ReduceMean', [b.op('Pow', [centred, c(2)])], axes);
      const unit = b.op('Div', [centred, b.op('Sqrt', [b.op('Add', [variance, c(1e-3)])])]);
      return b.op('Add', [b.op('Mul', [unit, 'scale']), 'bias']);
    },
  ],
  [
    'layer normalization with the mean taken off twice',
    'LayerNormalization',
    (b, c) => {
      const axes = { axes: ints([1]) };
      const mean = b.op('ReduceMean', ['x'], axes);
      const again = b.op('Sub', ['x', mean]);
      const variance = b.op('ReduceMean', [b.op('Mul', [again, again])], axes);
      const root = b.op('Sqrt', [b.op('Add', [c(1e-3), variance])]);
      const unit = b.op('Mul', [b.op('Reciprocal', [root]), b.op('Sub', ['x', mean])]);
      return b.op('Add', ['bias', b.op('Mul', ['scale', unit])]);
    },
  ],
  [
    'RMS normalization',
    'SimplifiedLayerNormalization',
    (b, c) => {
      const mean = b.op('ReduceMean', [b.op('Pow', ['x', c(2)])], { axes: ints([-1]) });
      const inverse = b.op('Div', [c(1), b.op('Sqrt', [b.op('Add', [mean, c(1e-3)])])]);
      return b.op('Mul', ['scale', b.op('Mul', ['x', inverse])]);
    },
  ],
];

/** Near misses: another constant, axis or operand. */
const OTHERS: readonly (readonly [string, Write])[] = [
  [
    'GELU with another slope',
    (b, c) => mul(b, mul(b, 'x', c(0.5)), b.op('Add', [b.op('Erf', [mul(b, 'x', c(0.7))]), c(1)])),
  ],
  [
    'GELU of something else',
    (b, c) =>
      mul(b, mul(b, b.op('Neg', ['x']), c(0.5)), b.op('Add', [b.op('Erf', [mul(b, 'x', c(half))]), c(1)])),
  ],
  ['a gate of its own', (b) => mul(b, 'x', b.op('Sigmoid', [b.op('Mul', ['x', 'scale'])]))],
  [
    'RMS normalization over the rows',
    (b, c) => {
      const mean = b.op('ReduceMean', [b.op('Pow', ['x', c(2)])], { axes: ints([0]) });
      return b.op('Mul', ['scale', b.op('Div', ['x', b.op('Sqrt', [b.op('Add', [mean, c(1e-3)])])])]);
    },
  ],
];

describe('written-out functions become one operator', () => {
  it.each(WRITTEN)('%s: %s', async (_, op, write) => {
    const model = modelOf(write, 17);
    const fused = fuseModel(model, await probeTypes(model));
    expect(opsOf(fused)).toEqual([op, 'Identity']);
    expect(worstDifference(await outputOf(fused), await outputOf(model))).toBeLessThan(2e-6);
  });

  it.each(OTHERS)('but not %s', async (_, write) => {
    const model = modelOf(write, 17);
    expect(opsOf(fuseModel(model, await probeTypes(model)))).toEqual(opsOf(model));
  });

  it('keeps what is read elsewhere too', async () => {
    const builder = GraphBuilder.from(modelOf((b) => mul(b, 'x', b.op('Sigmoid', ['x']))));
    const gate = builder.build().graph.nodes[0]?.outputs[0] ?? '';
    builder.output(gate, 'float', ['batch', WIDTH]);
    const model = builder.build();
    expect(opsOf(fuseModel(model, await probeTypes(model)))).toEqual(['Sigmoid', 'QuickGelu', 'Identity']);
  });
});

describe('statistics of normalisations', () => {
  it.each([
    ['LayerNormalization', ['x', 'scale', 'bias'], 3],
    ['SimplifiedLayerNormalization', ['x', 'scale'], 2],
  ] as const)('%s', async (op, inputs, outputs) => {
    const model = modelOf((b) => b.op(op, inputs, { axis: int(-1), epsilon: float(1e-3) }));
    const kept = keepStatistics(model, await probeTypes(model));
    const [node] = kept.model.graph.nodes;
    expect(node?.outputs).toHaveLength(outputs);
    for (const name of node?.outputs.slice(1) ?? []) expect(kept.types.dims(name)).toEqual(['batch', 1]);
    // The same numbers as from the plain operator, and an inverse that is one.
    const inverse = node?.outputs.at(-1) ?? '';
    const centre = op === 'LayerNormalization' ? 'a mean' : 'nothing';
    expect(worstDifference(await outputOf(kept.model), await outputOf(model)), centre).toBe(0);
    const builder = GraphBuilder.from(kept.model, { outputs: [] });
    const shape = builder.op('Shape', [inverse]);
    builder.op('Equal', [shape, builder.constant(int64Vector([4, 1]))], {}, 'fits');
    builder.output('fits', 'bool', [2]);
    const runtime = await openRuntime(encodeModel(builder.build()));
    const data = new Float32Array(4 * WIDTH).fill(1);
    const { fits } = await runtime.run({ x: { type: 'float', dims: [4, WIDTH], data } }, ['fits']);
    expect([...(fits?.data ?? [])]).toEqual([1, 1]);
    await runtime.close();
  });
});
