import { int } from '../../train/ir/attributes.js';
import { elementTypeCode } from '../../train/ir/element-type.js';
import type { ModelBuilder } from '../model-builder.js';
import type { EncoderOptions } from './encoder-layer.js';

/**
 * What stands for a whole text: `cls`, the first token's vector, as transformers' …ForSequenceClassification; `mean`, the mean of all
 * tokens' vectors by attention_mask, as sentence-transformers (Reimers and Gurevych, arXiv 1908.10084).
 */
export const POOLINGS = ['cls', 'mean'] as const;
export type Pooling = (typeof POOLINGS)[number];

/** One vector for a text, batch × hidden. `encode` builds the encoder: all rows, or the first only, which is cheaper. */
export function pooled(
  m: ModelBuilder,
  pooling: Pooling,
  encode: (rows: EncoderOptions['rows']) => string,
): string {
  if (pooling === 'cls') return m.graph.op('Squeeze', [encode('first'), m.vector([1])]);
  const rows = encode('all');
  return m.graph.op('Squeeze', [m.graph.op('MatMul', [tokenShares(m), rows]), m.vector([1])]);
}

/** What each token counts: attention_mask over its sum, batch × 1 × sequence; a row without tokens counts nothing. */
function tokenShares(m: ModelBuilder): string {
  const g = m.graph;
  const mask = g.op('Unsqueeze', [
    g.op('Cast', ['attention_mask'], { to: int(elementTypeCode('float')) }),
    m.vector([1]),
  ]);
  const count = g.op('ReduceSum', [mask, m.vector([2])], { keepdims: int(1) });
  return g.op('Div', [mask, g.op('Max', [count, m.scalar(1)])]);
}
