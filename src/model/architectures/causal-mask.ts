import { int } from '../../train/ir/attributes.js';
import { elementTypeCode } from '../../train/ir/element-type.js';
import { int64Tensor } from '../../train/ir/tensor-value.js';
import type { ModelBuilder } from '../model-builder.js';
import { MASKED } from './encoder-layer.js';

/** Positions 0 … sequence − 1 of a row, int64. The same in every row, padded or not, as transformers counts them. */
export function positionRange(m: ModelBuilder): string {
  const g = m.graph;
  const length = g.op('Squeeze', [
    g.op('Shape', ['input_ids'], { start: int(1), end: int(2) }),
    m.vector([0]),
  ]);
  const whole = (value: number): string => g.constant(int64Tensor([], [value]));
  return g.op('Range', [whole(0), length, whole(1)]);
}

/**
 * 0 where query i may look at key j, the most negative float32 elsewhere: batch × 1 × sequence × sequence, to be added to
 * scores. Allowed are tokens (attention_mask 1) with j ≤ i, and with a window only the last so many: j > i − window
 * (Jiang et al., arXiv 2310.06825, section 2; transformers' masking_utils).
 */
export function causalBias(m: ModelBuilder, positions: string, window?: number): string {
  const g = m.graph;
  const query = g.op('Unsqueeze', [positions, m.vector([1])]);
  const key = g.op('Unsqueeze', [positions, m.vector([0])]);
  const tokens = g.op('Cast', ['attention_mask'], { to: int(elementTypeCode('bool')) });
  let allowed = g.op('And', [
    g.op('Unsqueeze', [tokens, m.vector([1, 2])]),
    g.op('LessOrEqual', [key, query]),
  ]);
  if (window !== undefined) {
    const oldest = g.op('Sub', [query, g.constant(int64Tensor([], [window]))]);
    allowed = g.op('And', [allowed, g.op('Greater', [key, oldest])]);
  }
  return g.op('Where', [allowed, m.scalar(0), m.scalar(MASKED)]);
}
