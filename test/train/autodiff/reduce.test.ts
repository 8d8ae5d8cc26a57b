import { describe, it } from 'vitest';
import { reduceRules } from '../../../src/train/autodiff/rules/reduce.js';
import { int, ints } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { int64Tensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

/** From which opset on the axes are an input. */
const AXES_INPUT: Readonly<Record<string, number>> = { ReduceSum: 13 };

function reduce(
  builder: GraphBuilder,
  op: string,
  axes: readonly number[] | undefined,
  keepdims: number,
): string {
  if (axes === undefined) return builder.op(op, ['x'], { keepdims: int(keepdims) });
  return builder.opset >= (AXES_INPUT[op] ?? 18)
    ? builder.op(op, ['x', builder.constant(int64Vector(axes))], { keepdims: int(keepdims) })
    : builder.op(op, ['x'], { axes: ints(axes), keepdims: int(keepdims) });
}

const CASES: readonly (readonly [readonly number[], readonly number[] | undefined, number])[] = [
  [[2, 3, 4], [1], 1],
  [[2, 3, 4], [1], 0],
  [[2, 3, 4], [-1, 0], 0],
  [[2, 3, 4], [2, -2], 1],
  [[2, 3], undefined, 1],
  [[2, 3], undefined, 0],
  [[1, 3, 1], [0, 2], 0],
  [[4], [0], 0],
  [[0, 3], [1], 0],
];

describe('reductions', () => {
  for (const op of [
    'ReduceSum',
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceL2',
    'ReduceSumSquare',
    'ReduceLogSumExp',
  ])
    it.each(CASES)(`${op} of %j over %j, keepdims %d`, async (dims, axes, keepdims) => {
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => reduce(builder, op, axes, keepdims),
        opsets: claimedOpsets(op),
      });
    });

  it('ReduceSum of nothing', async () => {
    await checkGradient({
      inputs: { x: { dims: [0, 3] } },
      build: (builder) => reduce(builder, 'ReduceSum', [0], 0),
      opsets: claimedOpsets('ReduceSum'),
    });
  });

  it.each(['ReduceSum', 'ReduceMean'])('%s with no axes and noop_with_empty_axes', async (op) => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (builder) => builder.op(op, ['x'], { noop_with_empty_axes: int(1) }),
      opsets: [18],
    });
  });

  it.each([
    [0, 0],
    [1, 0],
    [0, 1],
    [1, 1],
  ])('CumSum, exclusive %d, reverse %d', async (exclusive, reverse) => {
    for (const [axis, dims] of [
      [0, [3, 4]],
      [-1, [3, 4]],
      [1, [3, 1]],
      [0, [0, 2]],
    ] as const)
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) =>
          builder.op('CumSum', ['x', builder.constant(int64Tensor([], [axis]))], {
            exclusive: int(exclusive),
            reverse: int(reverse),
          }),
        opsets: claimedOpsets('CumSum'),
      });
  });
});

coversRules([...reduceRules]);
