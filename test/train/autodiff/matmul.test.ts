import { describe, it } from 'vitest';
import { matmulRules } from '../../../src/train/autodiff/rules/matmul.js';
import { float, int, string } from '../../../src/train/ir/attributes.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';
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
