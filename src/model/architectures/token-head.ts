import type { CheckpointConfig } from '../checkpoint.js';
import type { ModelBuilder } from '../model-builder.js';
import type { BuiltModel, ModelHead } from './architecture.js';
import { outputTokenLogits } from './inputs.js';

/** An encoder's result for every token: batch × sequence × hidden. */
export interface EncodedRows extends BuiltModel {
  readonly rows: string;
  readonly hidden: number;
}

/** A linear `classifier` over every token, which is all that transformers' …ForTokenClassification add to an encoder. */
export function tokenHead(encode: (m: ModelBuilder, config: CheckpointConfig) => EncodedRows): ModelHead {
  return {
    tensor: 'classifier.weight',
    modules: ['classifier'],
    build(m, config, outputs) {
      const { rows, hidden, maxTokens, vocabulary } = encode(m, config);
      const logits = m.linear('classifier', rows, { in: hidden, out: outputs, missing: 'make' });
      outputTokenLogits(m, logits, outputs);
      return { maxTokens, vocabulary };
    },
  };
}
