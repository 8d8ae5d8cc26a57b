import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openBundle } from '../../src/model/bundle.js';
import { resolveLora } from '../../src/model/resolve-lora.js';
import { graph, int } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { loadModel } from '../../src/train/ir/files.js';
import { boolTensor, floatTensor, int64Vector, rawTensor } from '../../src/train/ir/tensor-value.js';
import { quantizeMatrix } from '../../src/train/quantize/blocks.js';
import { Trainer } from '../../src/train/trainer.js';
import { inputsOf } from '../train/support/tagger.js';
import { numbers } from '../train/support/token-graph.js';
import { relativeError } from './forward.js';
import { bundleOf, onnxFixture, WIDTH, type OnnxFixture } from './onnx-fixture.js';
import { run } from './run-file.js';

let folder: string | undefined;
afterEach(async () => {
  if (folder !== undefined) await rm(folder, { recursive: true });
  folder = undefined;
});

const contrib = (op: string, attributes = {}): NonNullable<OnnxFixture['between']> =>
  function append(builder, x) {
    builder.append({ op, domain: 'com.microsoft', name: 'odd', inputs: [x], outputs: ['out'], attributes });
    return 'out';
  };
const native = (
  op: string,
  more: readonly string[] = [],
  attributes = {},
): NonNullable<OnnxFixture['between']> =>
  function append(builder, x) {
    builder.append({ op, domain: '', name: 'odd', inputs: [x, ...more], outputs: ['out'], attributes });
    return 'out';
  };

function flow(builder: GraphBuilder, x: string): string {
  // Of the data: a condition that is constant, or that asks about sizes, is resolved.
  const zero = builder.initializer('zero', floatTensor([], [0]));
  const node = { domain: '', attributes: {} };
  builder.append({
    ...node,
    op: 'ReduceSum',
    name: 'sum',
    inputs: [x],
    outputs: ['sum'],
    attributes: { keepdims: int(0) },
  });
  builder.append({ ...node, op: 'Greater', name: 'compare', inputs: ['sum', zero], outputs: ['condition'] });
  const branch = (name: string): ReturnType<typeof graph> => {
    const output = `${name}/out`;
    const copy = { op: 'Identity', domain: '', name, inputs: [x], outputs: [output], attributes: {} };
    const empty = new GraphBuilder({ name, opset: 18 }).graph();
    return graph({ ...empty, nodes: [copy], outputs: [{ name: output, type: 'float', dims: [] }] });
  };
  builder.append({
    op: 'If',
    domain: '',
    name: 'odd',
    inputs: ['condition'],
    outputs: ['out'],
    attributes: { then_branch: branch('then'), else_branch: branch('else') },
  });
  return 'out';
}

function trainingDropout(builder: GraphBuilder, x: string): string {
  const ratio = builder.initializer('ratio', floatTensor([], [0.5]));
  const on = builder.initializer('on', boolTensor([], [true]));
  builder.append({
    op: 'Dropout',
    domain: '',
    name: 'odd',
    inputs: [x, ratio, on],
    outputs: ['out'],
    attributes: {},
  });
  return 'out';
}

/** y = x · Wᵀ with W in blocks of 4 bits. */
function packed(order: boolean): NonNullable<OnnxFixture['between']> {
  return function append(builder, x) {
    const values = numbers(77, [WIDTH, WIDTH]);
    const { blob, scales } = quantizeMatrix(
      (o, i) => values[o * WIDTH + i] ?? 0,
      { out: WIDTH, in: WIDTH },
      { bits: 4, block: 32 },
    );
    const inputs = [
      x,
      builder.initializer('packed', rawTensor('uint8', [WIDTH, 1, 16], blob)),
      builder.initializer('scales', floatTensor([WIDTH], scales)),
      ...(order
        ? ['', builder.initializer('order', rawTensor('int32', [WIDTH], new Uint8Array(4 * WIDTH)))]
        : []),
    ];
    builder.append({
      op: 'MatMulNBits',
      domain: 'com.microsoft',
      name: 'odd',
      inputs,
      outputs: ['out'],
      attributes: { K: int(WIDTH), N: int(WIDTH), bits: int(4), block_size: int(32) },
    });
    return 'out';
  };
}

function attention(bias: boolean, attributes = {}): NonNullable<OnnxFixture['between']> {
  return function append(builder, x) {
    const inputs = [x, builder.initializer('qkv', floatTensor([WIDTH, 3 * WIDTH], numbers(5, [WIDTH, 24])))];
    if (bias) inputs.push(builder.initializer('qkv_bias', floatTensor([24], new Float32Array(24))));
    builder.append({
      op: 'Attention',
      domain: 'com.microsoft',
      name: 'odd',
      inputs,
      outputs: ['out'],
      attributes: { num_heads: int(2), ...attributes },
    });
    return 'out';
  };
}

describe('an export that cannot be trained is refused when its bundle is made, and nothing is left', () => {
  it.each<[string, OnnxFixture, RegExp]>([
    ['a recurrent layer', { between: native('LSTM') }, /LSTM node "odd" \(opset 18 of ai\.onnx\): recurrent/],
    ['an unknown operator', { between: contrib('Wavelet') }, /com\.microsoft::Wavelet node "odd" \(opset 1 /],
    ['a mixture of experts', { between: contrib('MoE') }, /com\.microsoft::MoE node "odd" \(opset 1 /],
    ['control flow', { between: flow }, /If node "odd" \(opset 18 of ai\.onnx\): control flow/],
    // What only the form of a node tells: the operator itself has a gradient.
    ['dropout while training', { between: trainingDropout }, /Dropout node "odd" \(opset 18 .*training mode/],
    ['columns in another order', { between: packed(true) }, /MatMulNBits node "odd" \(opset 21 .*g_idx/],
    [
      'rotary attention',
      { between: attention(true, { do_rotary: int(1) }) },
      /com\.microsoft::Attention node "odd" \(opset 18 .*do_rotary/,
    ],
    ['an opset that is too new', { opset: 26 }, /opset 26/],
    [
      'a sequence of tensors',
      { between: native('SplitToSequence') },
      /SplitToSequence node "odd" \(opset 18 of ai\.onnx\): sequences of tensors/,
    ],
  ])('%s', async (_, fixture, message) => {
    folder = await onnxFixture(fixture);
    await expect(bundleOf(folder, { labels: ['ham', 'spam'] })).rejects.toMatchObject({
      code: 'op_unsupported',
      message: expect.stringMatching(message) as string,
    });
    expect((await readdir(folder)).sort()).toEqual(['model.onnx', 'tokenizer.json']);
  });

  it('a stack of matrices that is no parameter: weights multiplied into it', async () => {
    folder = await onnxFixture({
      between: (builder, x) => {
        const stack = floatTensor([2, WIDTH / 2, WIDTH / 2], numbers(3, [2, WIDTH / 2, WIDTH / 2]));
        const heads = builder.op('Reshape', [x, builder.constant(int64Vector([-1, 2, 1, WIDTH / 2]))]);
        const product = builder.op('MatMul', [heads, builder.initializer('val_9', stack)]);
        return builder.op('Reshape', [product, builder.op('Shape', [x])]);
      },
    });
    await expect(bundleOf(folder, { labels: ['ham', 'spam'] })).rejects.toMatchObject({
      code: 'model_unsupported',
      message: expect.stringMatching(/the constant val_9 \[2, 4, 4\], which is no linear/) as string,
    });
    expect((await readdir(folder)).sort()).toEqual(['model.onnx', 'tokenizer.json']);
  });

  it('an export that ONNX Runtime itself cannot run', async () => {
    folder = await onnxFixture({
      between: (builder, x) => {
        const heads = builder.op(
          'Concat',
          [
            builder.op('Slice', [
              builder.op('Shape', [x]),
              builder.constant(int64Vector([0])),
              builder.constant(int64Vector([2])),
            ]),
            builder.constant(int64Vector([3, 4])),
          ],
          { axis: int(0) },
        );
        return builder.op('Reshape', [builder.op('Reshape', [x, heads]), builder.op('Shape', [x])]);
      },
    });
    await expect(bundleOf(folder, { labels: ['ham', 'spam'] })).rejects.toMatchObject({
      code: 'model_unsupported',
      message: expect.stringMatching(
        /^model.onnx \(opset 18\): does not run as it was exported; .*Reshape/,
      ) as string,
    });
    expect((await readdir(folder)).sort()).toEqual(['model.onnx', 'tokenizer.json']);
  });

  it('does not mind such a node beside the path of the gradient', async () => {
    folder = await onnxFixture({
      between: (builder, x) => {
        builder.append({
          op: 'TopK',
          domain: '',
          name: 'largest',
          inputs: [builder.op('Cast', ['input_ids'], { to: int(1) }), builder.constant(int64Vector([1]))],
          outputs: ['top', 'which'],
          attributes: {},
        });
        const bias = builder.op('Mul', ['top', builder.constant(floatTensor([], [0.001]))]);
        return builder.op('Add', [x, builder.op('Unsqueeze', [bias, builder.constant(int64Vector([2]))])]);
      },
    });
    const { manifest } = await bundleOf(folder, { labels: ['ham', 'spam'] });
    expect(manifest.modules.adaptable.map(({ name }) => name)).toEqual(['layer', 'classifier']);
  });
});

describe('what only looks as if it could not be trained', () => {
  /** Gradients of the layer below by central differences of the loss. */
  async function checkTrains(fixture: OnnxFixture): Promise<void> {
    folder = await onnxFixture(fixture);
    const created = await bundleOf(folder, { labels: ['ham', 'spam'] });
    const bundle = await openBundle(created.folder, { verify: true });
    const lower = resolveLora(bundle, {
      rank: 2,
      alpha: 2,
      rsLora: false,
      targetModules: ['layer'],
      modulesToSave: [],
    });
    const trainer = await Trainer.open({ folder: bundle.folder, ...lower, threads: 1 });
    const start = trainer.parameters.map(({ name, shape }, i) => ({
      name,
      shape,
      data: numbers(40 + i, shape),
    }));
    trainer.load(start);
    const batch = {
      inputs: inputsOf([5, 2, 4], 5),
      labels: { dims: [3], data: BigInt64Array.of(0n, 1n, 1n) },
    };
    const { gradients } = await trainer.gradients(batch);
    for (const [k, { name, data }] of gradients.entries())
      for (const at of [0, 3, data.length - 1]) {
        const moved = async (by: number): Promise<number> => {
          trainer.load(
            start.map((t, i) => (i === k ? { ...t, data: t.data.with(at, (t.data[at] ?? 0) + by) } : t)),
          );
          const { lossSum, count } = await trainer.evaluate(batch);
          return lossSum / count;
        };
        const slope = ((await moved(1e-2)) - (await moved(-1e-2))) / 2e-2;
        expect(slope, `${name}[${at}]`).toBeCloseTo(data[at] ?? NaN, 3);
      }
    await trainer.close();
  }

  it.each([13, 17, 18, 20])('4-bit weights at opset %i: gradients go through', (opset) =>
    checkTrains({ opset, between: packed(false) }),
  );

  it('Attention without a bias, which ONNX Runtime alone would crash on', async () => {
    await checkTrains({ between: attention(false) });
    const bundle = join(folder!, 'bundle');
    const [node] = loadModel(bundle).graph.nodes.filter(({ op }) => op === 'Attention');
    expect(node?.inputs).toHaveLength(3);
    // The bundle's model runs in ONNX Runtime as it is, and says the same as with a bias of zeros.
    const inputs = inputsOf([5, 2, 4], 5);
    const plain = await run(join(bundle, 'model.onnx'), inputs);
    const explicit = await onnxFixture({ between: attention(true) });
    expect(relativeError(plain, await run(join(explicit, 'model.onnx'), inputs))).toBeLessThan(1e-6);
    await rm(explicit, { recursive: true });
  });
});
