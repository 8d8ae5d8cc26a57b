import { describe, it } from 'vitest';
import { scatterRules } from '../../../src/train/autodiff/rules/scatter.js';
import { int, string } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { int64Tensor } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets, sayableAt } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

/** Squares what comes out, so that a gradient in the wrong place shows in more than its sum. */
const squared = (builder: GraphBuilder, value: string): string => builder.op('Mul', [value, value]);
const add = { reduction: string('add') };

interface Case {
  readonly op: 'ScatterElements' | 'ScatterND';
  readonly data: readonly number[];
  readonly index: { readonly dims: readonly number[]; readonly values: readonly number[] };
  readonly updates: readonly number[];
  readonly axis?: number;
}

const CASES: readonly Case[] = [
  { op: 'ScatterElements', data: [3, 4], index: { dims: [2, 2], values: [0, 2, 1, -2] }, updates: [2, 2] },
  {
    op: 'ScatterElements',
    data: [2, 5],
    index: { dims: [2, 3], values: [4, 0, 2, 1, 3, 0] },
    updates: [2, 3],
    axis: -1,
  },
  { op: 'ScatterElements', data: [1], index: { dims: [1], values: [0] }, updates: [1] },
  { op: 'ScatterElements', data: [3, 4], index: { dims: [0, 4], values: [] }, updates: [0, 4] },
  { op: 'ScatterND', data: [5], index: { dims: [2, 1], values: [3, 0] }, updates: [2] },
  { op: 'ScatterND', data: [3, 4, 2], index: { dims: [2, 2], values: [0, 1, 2, 3] }, updates: [2, 2] },
  { op: 'ScatterND', data: [3, 4], index: { dims: [2, 1], values: [2, 0] }, updates: [2, 4] },
  { op: 'ScatterND', data: [1, 2], index: { dims: [1, 1], values: [0] }, updates: [1, 2] },
  { op: 'ScatterND', data: [3, 4], index: { dims: [0, 1], values: [] }, updates: [0, 4] },
];

const check = async ({ op, data, index, updates, axis }: Case, adding: boolean): Promise<void> => {
  await checkGradient({
    inputs: { data: { dims: data }, updates: { dims: updates } },
    build: (builder) => {
      const at = builder.constant(int64Tensor(index.dims, index.values));
      const attributes = { ...(axis === undefined ? {} : { axis: int(axis) }), ...(adding ? add : {}) };
      return squared(builder, builder.op(op, ['data', at, 'updates'], attributes));
    },
    opsets: claimedOpsets(op).filter((opset) => (!adding || opset >= 16) && sayableAt(updates)(opset)),
  });
};

describe.each(CASES)('$op of $data at $index.values', (test) => {
  it('overwriting', () => check(test, false));
  it('adding', () => check(test, true));
});

it('adding twice to the same place', () =>
  check(
    { op: 'ScatterND', data: [3, 2], index: { dims: [3, 1], values: [1, 1, 0] }, updates: [3, 2] },
    true,
  ));

coversRules([...scatterRules]);
