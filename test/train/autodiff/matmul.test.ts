import { describe, expect, it } from 'vitest';
import { matmulRules } from '../../../src/train/autodiff/rules/matmul.js';
import { float, int, ints, string } from '../../../src/train/ir/attributes.js';
import { GraphBuilder, type Attributes } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import { openRuntime } from '../../../src/train/ort.js';
import { checkGradient, claimedOpsets, worstDifference } from '../support/finite-differences.js';
import { sizeOf, uniform } from '../support/random.js';
import { coversRules } from '../support/rule-coverage.js';

const SHAPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [3, 4],
  ],
  [
    [2, 5, 3],
    [3, 4],
  ],
  [
    [2, 2, 5, 3],
    [3, 4],
  ],
  [
    [2, 5, 3],
    [2, 3, 4],
  ],
  [
    [2, 1, 5, 3],
    [1, 4, 3, 2],
  ],
  [
    [5, 3],
    [2, 3, 4],
  ],
  [[3], [3, 4]],
  [[2, 3], [3]],
  [[2, 5, 3], [3]],
  [[3], [2, 3, 4]],
  [[3], [3]],
  [
    [1, 1],
    [1, 1],
  ],
  [
    [0, 3],
    [3, 4],
  ],
  [
    [2, 0, 3],
    [3, 4],
  ],
  [
    [2, 3, 0],
    [0, 4],
  ],
];

describe('MatMul', () => {
  it.each(SHAPES)('%j × %j', async (a, b) => {
    await checkGradient({
      inputs: { a: { dims: a }, b: { dims: b } },
      build: (builder) => builder.op('MatMul', ['a', 'b']),
      opsets: claimedOpsets('MatMul'),
    });
  });

  it('gives the gradient of one operand alone', async () => {
    for (const wanted of ['a', 'b'])
      await checkGradient({
        inputs: {
          a: { dims: [2, 5, 3], wanted: wanted === 'a' },
          b: { dims: [3, 4], wanted: wanted === 'b' },
        },
        build: (builder) => builder.op('MatMul', ['a', 'b']),
      });
  });
});

describe('Gemm', () => {
  for (const transA of [0, 1])
    for (const transB of [0, 1])
      it.each([[[2, 4]], [[4]], [[2, 1]], [[1]], [[]], [undefined]])(
        `transA ${transA}, transB ${transB}, C %j`,
        async (c) => {
          await checkGradient({
            inputs: {
              a: { dims: transA ? [3, 2] : [2, 3] },
              b: { dims: transB ? [4, 3] : [3, 4] },
              ...(c === undefined ? {} : { c: { dims: c } }),
            },
            build: (builder) =>
              builder.op('Gemm', c === undefined ? ['a', 'b'] : ['a', 'b', 'c'], {
                transA: int(transA),
                transB: int(transB),
                alpha: float(0.5),
                beta: float(2),
              }),
            opsets: claimedOpsets('Gemm'),
          });
        },
      );
});

describe('Gemm of little', () => {
  it.each([
    [[0, 3], [3, 4], [4]],
    [[2, 3], [3, 0], [1]],
    [[1, 1], [1, 1], []],
  ])('%j × %j + %j', async (a, b, c) => {
    await checkGradient({
      inputs: { a: { dims: a }, b: { dims: b }, c: { dims: c } },
      build: (builder) => builder.op('Gemm', ['a', 'b', 'c']),
      opsets: claimedOpsets('Gemm'),
    });
  });
});

describe('com.microsoft', () => {
  it.each([
    [
      [0, 3],
      [3, 4],
    ],
    [
      [2, 1, 3],
      [2, 3, 1],
    ],
  ])('FusedMatMul of %j and %j', async (a, b) => {
    await checkGradient({
      inputs: { a: { dims: a }, b: { dims: b } },
      build: (builder) => builder.op('com.microsoft::FusedMatMul', ['a', 'b'], { alpha: float(0.5) }),
    });
  });

  for (const transA of [0, 1])
    for (const transB of [0, 1])
      it.each([
        [[], []],
        [[2], []],
        [[2], [2]],
        [
          [2, 1],
          [1, 4],
        ],
      ])(`FusedMatMul, transA ${transA}, transB ${transB}, batches %j and %j`, async (a, b) => {
        await checkGradient({
          inputs: {
            a: { dims: [...a, ...(transA ? [3, 2] : [2, 3])] },
            b: { dims: [...b, ...(transB ? [5, 3] : [3, 5])] },
          },
          build: (builder) =>
            builder.op('com.microsoft::FusedMatMul', ['a', 'b'], {
              alpha: float(0.5),
              transA: int(transA),
              transB: int(transB),
              test_rank_a: int(a.length + 2),
              test_rank_b: int(b.length + 2),
            }),
        });
      });

  /** Shapes, flags, and the permutations that the flags stand for. */
  const MOVED = [
    { a: [2, 3, 4], b: [3, 4, 5], flags: ['transBatchA'], perms: [[1, 0, 2], undefined] },
    { a: [4, 3, 2], b: [3, 4, 5], flags: ['transBatchA', 'transA'], perms: [[1, 2, 0], undefined] },
    { a: [3, 2, 4], b: [4, 3, 5], flags: ['transBatchB'], perms: [undefined, [1, 0, 2]] },
    {
      a: [2, 1, 3, 4],
      b: [5, 2, 3, 4],
      flags: ['transBatchA', 'transBatchB', 'transB'],
      perms: [
        [1, 2, 0, 3],
        [1, 2, 3, 0],
      ],
    },
  ] as const;
  const attributesOf = (flags: readonly string[]): Attributes =>
    Object.fromEntries(flags.map((flag) => [flag, int(1)]));

  it.each(MOVED)('FusedMatMul of $a and $b with $flags', async ({ a, b, flags }) => {
    const ranks = { test_rank_a: int(a.length), test_rank_b: int(b.length) };
    await checkGradient({
      inputs: { a: { dims: a }, b: { dims: b } },
      build: (builder) =>
        builder.op('com.microsoft::FusedMatMul', ['a', 'b'], { ...attributesOf(flags), ...ranks }),
    });
  });

  it.each(MOVED)('$flags mean what they do to the kernel of ONNX Runtime', async ({ a, b, flags, perms }) => {
    const builder = new GraphBuilder({ opset: 18 });
    const feeds = Object.fromEntries(
      Object.entries({ a, b }).map(([name, dims], i) => [
        builder.input(name, 'float', dims),
        { type: 'float' as const, dims, data: Float32Array.from(uniform(i + 1, sizeOf(dims))) },
      ]),
    );
    const turned = perms.map((perm, i) => {
      const name = i === 0 ? 'a' : 'b';
      return perm === undefined ? name : builder.op('Transpose', [name], { perm: ints([...perm]) });
    });
    builder.op('com.microsoft::FusedMatMul', ['a', 'b'], attributesOf(flags), 'fused');
    builder.op('MatMul', turned, {}, 'written');
    for (const name of ['fused', 'written'])
      builder.output(name, 'float', ['', '', ...a.slice(3).map(() => '')]);
    const runtime = await openRuntime(encodeModel(builder.build()), { optimization: 'disabled' });
    const { fused, written } = await runtime.run(feeds, ['fused', 'written']);
    await runtime.close();
    expect(fused?.dims).toEqual(written?.dims);
    expect(worstDifference(fused?.data as Float32Array, written?.data as Float32Array)).toBeLessThan(1e-6);
  });

  it.each(['Tanh', 'Relu', 'Sigmoid'])('FusedGemm with %s', async (activation) => {
    for (const rows of [2, 1, 0])
      await checkGradient({
        inputs: { a: { dims: [rows, 3] }, b: { dims: [4, 3] }, c: { dims: [4] } },
        build: (builder) =>
          builder.op('com.microsoft::FusedGemm', ['a', 'b', 'c'], {
            transB: int(1),
            alpha: float(0.5),
            beta: float(2),
            activation: string(activation),
          }),
      });
  });
});

coversRules([...matmulRules]);
