import { describe, it } from 'vitest';
import { indexingRules } from '../../../src/train/autodiff/rules/indexing.js';
import { sliceRules } from '../../../src/train/autodiff/rules/slice.js';
import { int } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { int64Tensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets, sayableAt } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

const squared = (builder: GraphBuilder, value: string): string => builder.op('Mul', [value, value]);

/** Besides every version of the op itself: the opsets where the emitted scatter changes its form. */
const opsets = (op: string): number[] => [...claimedOpsets(op), 15, 16, 18];

describe('Gather', () => {
  it.each([
    [[5, 3], 0, [], [2]],
    [[5, 3], 0, [4], [1, 1, -1, 0]],
    [[2, 5, 3], 1, [], [0]],
    [[2, 5, 3], 1, [2, 2], [4, 0, 4, -5]],
    [[2, 5, 3], -1, [3], [2, 2, 0]],
    [[4], 0, [1], [3]],
    [[5, 3], 0, [0], []],
  ])('of %j along %d by indices %j %j', async (dims, axis, shape, index) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) =>
        squared(
          builder,
          builder.op('Gather', ['x', builder.constant(int64Tensor(shape, index))], { axis: int(axis) }),
        ),
      // Before version 14 Reshape cannot say that a dimension is 0.
      opsets: opsets('Gather').filter((opset) => index.length > 0 || opset >= 14),
    });
  });
});

describe('GatherElements', () => {
  it.each([
    [[2, 3], 1, [2, 4], [0, 2, 2, -1, 1, 1, 1, 0]],
    [[3, 2], 0, [1, 2], [2, -3]],
    [[2, 3], -1, [2, 1], [0, 2]],
    [[2, 3], 1, [2, 0], []],
    [[0, 3], 1, [0, 2], []],
  ])('of %j along %d by indices %j', async (dims, axis, shape, index) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) =>
        squared(
          builder,
          builder.op('GatherElements', ['x', builder.constant(int64Tensor(shape, index))], {
            axis: int(axis),
          }),
        ),
      opsets: opsets('GatherElements'),
      fixed: true,
    });
  });

  it('of data whose size is known at run time only', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (builder) =>
        squared(
          builder,
          builder.op('GatherElements', ['x', builder.constant(int64Tensor([2, 2], [0, 2, 1, 1]))], {
            axis: int(1),
          }),
        ),
      opsets: opsets('GatherElements').filter((opset) => opset >= 16),
    });
  });
});

describe('GatherND', () => {
  it.each([
    [[2, 3, 4], 0, [2, 1], [1, 1]],
    [[2, 3, 4], 0, [3, 2], [0, 1, 1, 2, -1, -1]],
    [[2, 3, 4], 0, [2, 3], [0, 1, 2, 1, 2, 3]],
    [[2, 3, 4], 1, [2, 1], [2, 0]],
    [[2, 3, 4], 1, [2, 2, 1], [2, 2, 0, 1]],
    [[2, 3, 1], 0, [0, 2], []],
    [[2, 0], 0, [2, 1], [1, 0]],
  ])('of %j with batch_dims %d by tuples %j %j', async (dims, batch, shape, index) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) =>
        squared(
          builder,
          builder.op(
            'GatherND',
            ['x', builder.constant(int64Tensor(shape, index))],
            batch === 0 ? {} : { batch_dims: int(batch) },
          ),
        ),
      opsets: opsets('GatherND')
        .filter((opset) => batch === 0 || opset >= 12)
        .filter(sayableAt(dims, shape)),
      fixed: true,
    });
  });

  it('of data whose size is known at run time only', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3, 4] } },
      build: (builder) =>
        squared(
          builder,
          builder.op('GatherND', ['x', builder.constant(int64Tensor([3, 2], [0, 1, 1, 2, -1, -1]))]),
        ),
      opsets: opsets('GatherND'),
    });
  });
});

describe('Slice', () => {
  const slice = (builder: GraphBuilder, parts: readonly (readonly number[] | undefined)[]): string =>
    builder.op('Slice', [
      'x',
      ...parts.map((values) => (values === undefined ? '' : builder.constant(int64Vector(values)))),
    ]);

  it.each([
    [
      [5, 4],
      [[1], [3]],
    ],
    [
      [5, 4],
      [
        [1, 0],
        [4, 2],
      ],
    ],
    [
      [5, 4],
      [[-3], [-1], [1]],
    ],
    [
      [5, 4],
      [[0], [100], [-2]],
    ],
    [
      [5, 4],
      [[-100], [2], [0]],
    ],
    [
      [5, 4],
      [[1], [2 ** 53], [0]],
    ],
    [
      [5, 4],
      [
        [0, 1],
        [5, 4],
        [0, 1],
        [2, 3],
      ],
    ],
    [
      [5, 4],
      [[4], [-100], [0], [-1]],
    ],
    [
      [5, 4],
      [[3], [0], [-1], [-2]],
    ],
    [
      [5, 4],
      [[2], [2], [0]],
    ],
    [
      [5, 4],
      [[0], [3], undefined, [1]],
    ],
    [
      [1, 4],
      [[0], [1], [0]],
    ],
    [
      [0, 4],
      [[1], [3], [1]],
    ],
  ])('of %j by %j', async (dims, parts) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, slice(builder, parts)),
      opsets: claimedOpsets('Slice'),
    });
  });

  it('with starts that are computed at run time', async () => {
    await checkGradient({
      inputs: { x: { dims: [5, 4] } },
      build: (builder) => {
        const shape = builder.op('Shape', ['x']);
        const size = builder.op('Gather', [shape, builder.constant(int64Vector([1]))], { axis: int(0) });
        const start = builder.op('Sub', [size, builder.constant(int64Vector([1]))]);
        return squared(builder, builder.op('Slice', ['x', start, size, builder.constant(int64Vector([1]))]));
      },
      opsets: claimedOpsets('Slice'),
    });
  });
});

describe('TopK', () => {
  it.each([
    [[2, 5], 2, {}],
    [[4, 2], 3, { axis: int(0), largest: int(0), sorted: int(0) }],
    [[3, 4, 2], 2, { axis: int(-2) }],
    [[4, 1], 1, { axis: int(1) }],
    [[2, 3], 0, {}],
  ] as const)('of %j: %d', async (dims, k, attributes) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => {
        const outputs = ['values', 'places'];
        const inputs = ['x', builder.constant(int64Vector([k]))];
        builder.append({ op: 'TopK', domain: '', name: 'top', inputs, outputs, attributes });
        return squared(builder, 'values');
      },
      opsets: claimedOpsets('TopK'),
    });
  });
});

coversRules([...indexingRules, ...sliceRules], {
  TopK: { 'empty dimensions': 'ONNX Runtime 1.30 ends the process where there is no row to choose from' },
});
