import { describe, expect, it } from 'vitest';
import { NO_EMPTY_BELOW_14 } from '../../../src/train/autodiff/rule.js';
import { RULES } from '../../../src/train/autodiff/table.js';
import { int, ints } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { int64Tensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { checkGradient } from '../support/finite-differences.js';

interface Case {
  readonly op: string;
  readonly dims: readonly number[];
  readonly build: (builder: GraphBuilder) => string;
}

const vector = (builder: GraphBuilder, ...values: number[]): string => builder.constant(int64Vector(values));

/** Axes are an attribute up to opset 12, an input from 13 on. */
const onFirstAxis = (op: string) => (builder: GraphBuilder) =>
  builder.opset < 13 ? builder.op(op, ['x'], { axes: ints([0]) }) : builder.op(op, ['x', vector(builder, 0)]);

const byNoIndices =
  (op: string, dims: readonly number[]) =>
  (builder: GraphBuilder): string =>
    builder.op(op, ['x', builder.constant(int64Tensor(dims, []))]);

const CASES: readonly Case[] = [
  { op: 'Squeeze', dims: [1, 0, 3], build: onFirstAxis('Squeeze') },
  { op: 'Unsqueeze', dims: [3, 0], build: onFirstAxis('Unsqueeze') },
  { op: 'Flatten', dims: [3, 2, 0], build: (builder) => builder.op('Flatten', ['x'], { axis: int(1) }) },
  { op: 'Tile', dims: [3, 0], build: (builder) => builder.op('Tile', ['x', vector(builder, 2, 1)]) },
  { op: 'Gather', dims: [4, 3], build: byNoIndices('Gather', [2, 0]) },
  { op: 'GatherND', dims: [4, 3], build: byNoIndices('GatherND', [2, 0, 1]) },
];

describe('gradients of empty tensors through Reshape', () => {
  it.each(CASES)('$op: right at opset 14, an error below', async ({ dims, build }) => {
    const test = { inputs: { x: { dims } }, build, fixed: true };
    await checkGradient({ ...test, opsets: [14] });
    for (const opset of [12, 13])
      await expect(checkGradient({ ...test, opsets: [opset] })).rejects.toThrow(/grad\/Reshape/);
  });

  it('are documented for these operators', () => {
    const told = RULES.filter(({ refuses = [] }) => refuses.includes(NO_EMPTY_BELOW_14)).map(({ op }) => op);
    expect(told.sort()).toEqual(CASES.map(({ op }) => op).sort());
  });
});
