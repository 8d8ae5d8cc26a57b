import { int } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { floatTensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { sizeOf, uniform } from './random.js';

/** As weights are in these models: −0.7 to 0.7. */
export const numbers = (seed: number, dims: readonly number[]): Float32Array =>
  Float32Array.from(uniform(seed, sizeOf(dims), [-0.7, 0.7]));

export interface TokenGraph {
  readonly builder: GraphBuilder;
  /** attention_mask as [batch, sequence, 1] floats. */
  readonly mask: string;
  /** A weight of its own numbers. */
  readonly weight: (name: string, dims: readonly number[]) => string;
}

/** What graphs over input_ids and attention_mask [batch, sequence] begin with. */
export function tokenGraph(opset = 18): TokenGraph {
  const builder = new GraphBuilder({ opset });
  builder.input('input_ids', 'int64', ['batch', 'sequence']);
  builder.input('attention_mask', 'int64', ['batch', 'sequence']);
  let seed = 1;
  const weight = (name: string, dims: readonly number[]): string =>
    builder.initializer(name, floatTensor(dims, numbers(seed++, dims)));
  const mask = builder.op('Unsqueeze', [
    builder.op('Cast', ['attention_mask'], { to: int(1) }),
    builder.constant(int64Vector([2])),
  ]);
  return { builder, mask, weight };
}
