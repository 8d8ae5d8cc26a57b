import { int } from '../../train/ir/attributes.js';
import { elementTypeCode } from '../../train/ir/element-type.js';
import { floatTensor, int64Tensor } from '../../train/ir/tensor-value.js';
import type { ModelBuilder } from '../model-builder.js';
import type { Rope } from './rope.js';

/** Cosines, and sines with the first half negated: sequence × rotaryDim each. */
export interface Angles {
  readonly rope: Rope;
  readonly cos: string;
  readonly sin: string;
}

/** Angles of every position, computed in the graph: a table for 128 Ki positions would be larger than some models. */
export function rotaryAngles(m: ModelBuilder, rope: Rope, positions: string): Angles {
  const g = m.graph;
  const row = (values: Float32Array): string =>
    g.constant(floatTensor([1, values.length], values), 'frequencies');
  let frequencies = row(rope.frequencies);
  if (rope.long !== undefined) {
    const length = g.op('Squeeze', [
      g.op('Shape', ['input_ids'], { start: int(1), end: int(2) }),
      m.vector([0]),
    ]);
    const isLong = g.op('Greater', [length, g.constant(int64Tensor([], [rope.long.above]))]);
    frequencies = g.op('Where', [isLong, row(rope.long.frequencies), frequencies]);
  }
  const column = g.op('Unsqueeze', [
    g.op('Cast', [positions], { to: int(elementTypeCode('float')) }),
    m.vector([1]),
  ]);
  const angles = g.op('Mul', [column, frequencies]);
  const weigh = (value: string): string =>
    rope.attentionFactor === 1 ? value : g.op('Mul', [value, m.scalar(rope.attentionFactor)]);
  const cos = weigh(g.op('Cos', [angles]));
  const sin = weigh(g.op('Sin', [angles]));
  return {
    rope,
    cos: g.op('Concat', [cos, cos], { axis: int(-1) }),
    sin: g.op('Concat', [g.op('Neg', [sin]), sin], { axis: int(-1) }),
  };
}

/**
 * Turns the leading dimensions of every head, x: … × sequence × headDim. Dimension i pairs with i + rotaryDim / 2, as in
 * transformers' rotate_half: (x₁, x₂) becomes (x₁ cos − x₂ sin, x₂ cos + x₁ sin).
 */
export function rotate(m: ModelBuilder, x: string, { rope, cos, sin }: Angles, headDim: number): string {
  const g = m.graph;
  const { rotaryDim } = rope;
  const half = rotaryDim / 2;
  const rest = headDim - rotaryDim;
  const last = { axis: int(-1) };
  const sizes = rest === 0 ? [half, half] : [half, half, rest];
  const [first = '', second = '', still] = g.op('Split', [x, m.vector(sizes)], last, sizes.length);
  const turning = still === undefined ? x : g.op('Concat', [first, second], last);
  const swapped = g.op('Concat', [second, first], last);
  const turned = g.op('Add', [g.op('Mul', [turning, cos]), g.op('Mul', [swapped, sin])]);
  return still === undefined ? turned : g.op('Concat', [turned, still], last);
}
