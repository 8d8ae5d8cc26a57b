import { describe, it } from 'vitest';
import { float, int } from '../../../src/train/ir/attributes.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';

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
