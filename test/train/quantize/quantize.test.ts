import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { int, ints } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import { saveModel } from '../../../src/train/ir/files.js';
import type { Model, TensorValue } from '../../../src/train/ir/graph.js';
import { floatTensor, int64Tensor, tensorBytes, tensorFloats } from '../../../src/train/ir/tensor-value.js';
import { openRuntime } from '../../../src/train/ort.js';
import {
  dequantizeMatrix,
  quantizeMatrix,
  type QuantizationSpec,
} from '../../../src/train/quantize/blocks.js';
import { quantizeModel } from '../../../src/train/quantize/quantize-model.js';
import { raiseOpset } from '../../../src/train/quantize/raise-opset.js';
import type { Batch, LoraSite, SessionOptions } from '../../../src/train/session-types.js';
import { sessionParameters } from '../../../src/train/parameters.js';
import { Trainer } from '../../../src/train/trainer.js';
import { buildGraphs } from '../../../src/train/trainer-graphs.js';
import { LABELS } from '../../../src/train/training-graph.js';
import { worstDifference } from '../support/finite-differences.js';
import { sizeOf, uniform } from '../support/random.js';

const home = mkdtempSync(join(tmpdir(), 'fedrot-quantize-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));

const numbers = (seed: number, dims: readonly number[], range: [number, number] = [-1, 1]): Float32Array =>
  Float32Array.from(uniform(seed, sizeOf(dims), range));

const SPECS: readonly QuantizationSpec[] = ([4, 8] as const).flatMap((bits) =>
  ([32, 64] as const).map((block) => ({ bits, block })),
);

describe('blocks', () => {
  it.each(SPECS)('of $bits bits and $block numbers are as near as the levels allow', (spec) => {
    const shape = { out: 5, in: 100 };
    const weight = numbers(1, [5, 100]);
    const quantized = quantizeMatrix((o, i) => weight[o * 100 + i] ?? NaN, shape, spec);
    const back = dequantizeMatrix(quantized, shape, spec);
    for (let o = 0; o < 5; o++)
      for (let i = 0; i < 100; i++) {
        const scale = Math.abs(quantized.scales[o * quantized.blocks + Math.floor(i / spec.block)] ?? NaN);
        const difference = Math.abs((back[o * 100 + i] ?? NaN) - (weight[o * 100 + i] ?? NaN));
        // The one entry of the largest size on the other side of zero is cut off by one level.
        expect(difference).toBeLessThanOrEqual(scale * 1.0001);
      }
    expect(quantized.blob.length).toBe((5 * Math.ceil(100 / spec.block) * spec.block * spec.bits) / 8);
  });

  it('of zeros stay zeros, and what is not finite is refused', () => {
    const shape = { out: 1, in: 32 };
    const spec = { bits: 4, block: 32 } as const;
    expect([
      ...dequantizeMatrix(
        quantizeMatrix(() => 0, shape, spec),
        shape,
        spec,
      ),
    ]).toEqual(new Array<number>(32).fill(0));
    expect(() => quantizeMatrix(() => NaN, shape, spec)).toThrow(/is NaN/);
  });
});

const [VOCABULARY, IN, HIDDEN, CLASSES] = [11, 96, 48, 3];

/** Embedding, two linear layers (one a MatMul, one a Gemm with out × in), a head; opset 17. */
function network(): Model {
  const builder = new GraphBuilder({ opset: 17 });
  builder.input('input_ids', 'int64', ['batch', 'sequence']);
  const weight = (name: string, dims: readonly number[], seed: number): string =>
    builder.initializer(name, floatTensor(dims, numbers(seed, dims, [-0.3, 0.3])));
  const x = builder.op('Gather', [weight('embedding', [VOCABULARY, IN], 1), 'input_ids']);
  const mean = builder.op('ReduceMean', [x], { axes: ints([1]), keepdims: int(0) });
  const first = builder.op('MatMul', [mean, weight('first.weight', [IN, HIDDEN], 2)]);
  const gemm = builder.op(
    'Gemm',
    [
      builder.op('Tanh', [first]),
      weight('second.weight', [HIDDEN, HIDDEN], 3),
      weight('second.bias', [HIDDEN], 4),
    ],
    { transB: int(1) },
  );
  const [left = '', right = ''] = builder.op('Split', [gemm], { axis: int(1) }, 2);
  const joined = builder.op('Concat', [right, left], { axis: int(1) });
  builder.op('MatMul', [joined, weight('head.weight', [HIDDEN, CLASSES], 5)], {}, 'logits');
  builder.output('logits', 'float', ['batch', CLASSES]);
  return builder.build();
}

const sites: readonly LoraSite[] = [
  {
    module: { name: 'first', in: IN, out: HIDDEN, weight: { initializer: 'first.weight', layout: 'in_out' } },
    rank: 2,
    scale: 1.5,
  },
  {
    module: {
      name: 'second',
      in: HIDDEN,
      out: 20,
      weight: { initializer: 'second.weight', layout: 'out_in', firstOutput: 8 },
    },
    rank: 2,
    scale: 1.5,
  },
];

const batch: Batch = {
  inputs: {
    input_ids: {
      dims: [4, 5],
      data: BigInt64Array.from({ length: 20 }, (_, i) => BigInt((i * 7) % VOCABULARY)),
    },
  },
  labels: { dims: [4], data: BigInt64Array.from([0n, 2n, 1n, 2n]) },
};

/** The same model with float weights that say what the blocks say. */
function dequantized(model: Model, quantized: Model, spec: QuantizationSpec): Model {
  const initializers = new Map<string, TensorValue>(model.graph.initializers);
  for (const [name, old] of model.graph.initializers) {
    const blob = quantized.graph.initializers.get(name);
    const scales = quantized.graph.initializers.get(`${name}/scales`);
    if (blob === undefined || scales === undefined) continue;
    const outIn = name === 'second.weight';
    const [rows = 0, columns = 0] = old.dims;
    const shape = outIn ? { out: rows, in: columns } : { out: columns, in: rows };
    const matrix = dequantizeMatrix(
      {
        blob: tensorBytes(blob),
        scales: Float32Array.from(tensorFloats(scales)),
        blocks: Math.ceil(shape.in / spec.block),
      },
      shape,
      spec,
    );
    const turned = outIn
      ? matrix
      : matrix.map((_, i) => matrix[(i % columns) * rows + Math.floor(i / columns)] ?? NaN);
    initializers.set(name, floatTensor(old.dims, turned));
  }
  return { ...model, graph: { ...model.graph, initializers } };
}

async function gradients(
  model: Model,
  folder: string,
  externalOver?: number,
): Promise<Map<string, Float32Array>> {
  saveModel(model, folder, externalOver === undefined ? {} : { externalOver });
  const options: SessionOptions = { folder, lora: sites, dense: [], threads: 1 };
  const trainer = await Trainer.open(options);
  try {
    await Promise.resolve();
    trainer.load(
      trainer.parameters.map(({ name, shape }, i) => ({ name, shape, data: numbers(50 + i, shape) })),
    );
    const { loss, gradients: found } = await trainer.gradients(batch);
    const { logits } = await trainer.evaluate(batch);
    return new Map([
      ['loss', Float32Array.of(loss)],
      ['logits', logits.data],
      ...found.map(({ name, data }) => [name, data] as const),
    ]);
  } finally {
    await trainer.close();
  }
}

describe('a quantized model', () => {
  it.each(SPECS)('of $bits bits in blocks of $block trains as its float twin does', async (spec) => {
    const model = network();
    const { model: small, quantized } = quantizeModel(model, spec);
    expect(quantized).toEqual(['first.weight', 'second.weight']);
    expect(small.opsets.get('')).toBe(21);
    expect(small.graph.nodes.filter(({ op }) => op === 'MatMulNBits')).toHaveLength(2);
    const expected = await gradients(dequantized(model, small, spec), mkdtempSync(join(home, 'float-')));
    // In memory, and with one copy of the blocks in a file behind both of their views.
    for (const over of [Infinity, 256]) {
      const actual = await gradients(small, mkdtempSync(join(home, 'small-')), over);
      expect([...actual.keys()]).toEqual([...expected.keys()]);
      for (const [name, values] of expected)
        expect(
          worstDifference(actual.get(name) ?? [], values),
          `${name}, external over ${over}`,
        ).toBeLessThan(2e-5);
    }
  });

  // ONNX Runtime runs what waits for nothing as early as it likes: all layers' weights would be float32 at once.
  it('dequantizes a weight no sooner than its gradient is due', async () => {
    const folder = mkdtempSync(join(home, 'order-'));
    saveModel(quantizeModel(network(), { bits: 4, block: 32 }).model, folder);
    const options: SessionOptions = { folder, lora: sites, dense: [], threads: 1 };
    const { training } = await buildGraphs(options, sessionParameters(options));
    const known = new Set([LABELS]);
    for (const { inputs, outputs } of training.graph.nodes)
      if (inputs.some((name) => known.has(name))) outputs.forEach((name) => known.add(name));
    const weights = training.graph.nodes.filter(({ op }) => op === 'DequantizeLinear');
    expect(weights).toHaveLength(1);
    for (const { inputs } of weights) expect(inputs.some((name) => known.has(name))).toBe(true);
  });

  it('keeps what it is told to, and the matrix behind the logits unless asked', () => {
    const model = network();
    const spec = { bits: 4, block: 32 } as const;
    expect(quantizeModel(model, { ...spec, keep: new Set(['first.weight']) }).quantized).toEqual([
      'second.weight',
    ]);
    const bad = { bits: 3, block: 32 } as unknown as QuantizationSpec;
    expect(() => quantizeModel(model, bad)).toThrow(/3 bits in blocks of 32/);
  });
});

describe('raiseOpset', () => {
  it('gives the same numbers', async () => {
    const model = network();
    const feeds = { input_ids: { type: 'int64' as const, dims: [4, 5], data: batch.inputs.input_ids!.data } };
    const outputs = await Promise.all(
      [model, raiseOpset(model, 21)].map(async (each) => {
        const runtime = await openRuntime(encodeModel(each));
        const result = await runtime.run(feeds, ['logits']);
        await runtime.close();
        return [...(result.logits?.data ?? [])];
      }),
    );
    expect(outputs[1]).toEqual(outputs[0]);
    expect(outputs[0]).toHaveLength(12);
  });

  it('refuses what it cannot convert', () => {
    const builder = new GraphBuilder({ opset: 12 });
    builder.input('x', 'float', [1]);
    expect(() => raiseOpset(builder.build(), 21)).toThrow(/opset 12/);
    const resize = new GraphBuilder({ opset: 17 });
    resize.op('Resize', [resize.input('x', 'float', [1]), '', '', resize.constant(int64Tensor([1], [2]))]);
    expect(() => raiseOpset(resize.build(), 21)).toThrow(/Resize node/);
  });
});
