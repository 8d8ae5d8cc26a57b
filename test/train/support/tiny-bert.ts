import { float, int, ints } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { doubleTensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { sizeOf, uniform } from './random.js';

export interface TinyBert {
  readonly hidden: number;
  readonly heads: number;
  readonly layers: number;
  readonly classes: number;
}

/**
 * A whole BERT classifier in float64 behind its embeddings: attention with a mask, post-LayerNorm, exact GELU written with Erf, pooled
 * first token. `x` is [batch, sequence, hidden], `mask` [batch, sequence] (1 = token). Weights named `…/query` are taken from `given`
 * (graph inputs) where they are there.
 */
export function tinyBert(
  builder: GraphBuilder,
  { hidden, heads, layers, classes }: TinyBert,
  given: ReadonlySet<string>,
): string {
  let seed = 100;
  const weight = (name: string, dims: readonly number[]): string =>
    given.has(name)
      ? name
      : builder.initializer(name, doubleTensor(dims, uniform(seed++, sizeOf(dims), [-1, 1])));
  const linear = (x: string, name: string, [from, to]: readonly [number, number]): string =>
    builder.op('Add', [builder.op('MatMul', [x, weight(name, [from, to])]), weight(`${name}.bias`, [to])]);
  const norm = (x: string, name: string): string =>
    builder.op(
      'LayerNormalization',
      [x, weight(`${name}.scale`, [hidden]), weight(`${name}.bias`, [hidden])],
      {
        axis: int(-1),
        epsilon: float(1e-12),
      },
    );
  const scalar = (value: number): string => builder.constant(doubleTensor([], [value]));
  const width = hidden / heads;
  const split = (x: string, perm: readonly number[]): string => {
    const shape = builder.constant(int64Vector([0, 0, heads, width]));
    return builder.op('Transpose', [builder.op('Reshape', [x, shape])], { perm: ints(perm) });
  };

  const far = builder.op('Mul', [builder.op('Sub', [scalar(1), 'mask']), scalar(-1e4)]);
  const bias = builder.op('Unsqueeze', [far, builder.constant(int64Vector([1, 2]))]);
  let x = norm('x', 'embeddings');
  for (let layer = 0; layer < layers; layer++) {
    const name = `layer.${layer}`;
    const square = [hidden, hidden] as const;
    const q = split(linear(x, `${name}.query`, square), [0, 2, 1, 3]);
    const k = split(linear(x, `${name}.key`, square), [0, 2, 3, 1]);
    const v = split(linear(x, `${name}.value`, square), [0, 2, 1, 3]);
    const scores = builder.op('Div', [builder.op('MatMul', [q, k]), scalar(Math.sqrt(width))]);
    const weights = builder.op('Softmax', [builder.op('Add', [scores, bias])], { axis: int(-1) });
    const context = builder.op('Transpose', [builder.op('MatMul', [weights, v])], {
      perm: ints([0, 2, 1, 3]),
    });
    const merged = builder.op('Reshape', [context, builder.constant(int64Vector([0, 0, hidden]))]);
    const attended = norm(builder.op('Add', [x, linear(merged, `${name}.output`, square)]), `${name}.norm1`);
    const up = linear(attended, `${name}.up`, [hidden, 2 * hidden]);
    const erf = builder.op('Erf', [builder.op('Mul', [up, scalar(Math.SQRT1_2)])]);
    const gelu = builder.op('Mul', [
      builder.op('Mul', [up, builder.op('Add', [erf, scalar(1)])]),
      scalar(0.5),
    ]);
    x = norm(
      builder.op('Add', [attended, linear(gelu, `${name}.down`, [2 * hidden, hidden])]),
      `${name}.norm2`,
    );
  }
  const first = builder.op('Gather', [x, builder.constant({ ...int64Vector([0]), dims: [] })], {
    axis: int(1),
  });
  const pooled = builder.op('Tanh', [linear(first, 'pooler', [hidden, hidden])]);
  return linear(pooled, 'classifier', [hidden, classes]);
}
