import type { z } from 'zod';
import type { CheckpointConfig } from '../checkpoint.js';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, encoderConfig, type Architecture } from './architecture.js';
import { attentionBias, BERT_LAYER, encoder, type EncoderOptions } from './encoder-layer.js';
import { declareInputs, outputLogits, positions } from './inputs.js';
import { tokenHead } from './token-head.js';

/** The sum of a token's word, type and position vectors, normalized: batch × sequence × hidden. */
function embeddings(m: ModelBuilder, config: z.output<typeof encoderConfig>): string {
  const g = m.graph;
  const hidden = config.hidden_size;
  const name = (table: string): string => `bert.embeddings.${table}`;
  const words = m.embedding(name('word_embeddings'), 'input_ids', [config.vocab_size, hidden]);
  const types = m.embedding(name('token_type_embeddings'), 'token_type_ids', [
    config.type_vocab_size,
    hidden,
  ]);
  const places = positions(m, name('position_embeddings'), [config.max_position_embeddings, hidden]);
  const sum = g.op('Add', [g.op('Add', [words, types]), places]);
  return m.layerNorm(name('LayerNorm'), sum, hidden, config.layer_norm_eps);
}

/**
 * BERT's encoder: batch × sequence × hidden, or batch × 1 × hidden where only the first row is wanted.
 * Declares the inputs.
 */
export function bertEncoder(m: ModelBuilder, raw: CheckpointConfig, rows: EncoderOptions['rows']): string {
  const config = checkConfig(encoderConfig, raw);
  declareInputs(m, ['input_ids', 'attention_mask', 'token_type_ids']);
  return encoder(m, embeddings(m, config), {
    prefix: (layer) => `bert.encoder.layer.${layer}.`,
    names: BERT_LAYER,
    layers: config.num_hidden_layers,
    shape: {
      hidden: config.hidden_size,
      heads: config.num_attention_heads,
      intermediate: config.intermediate_size,
      activation: config.hidden_act,
      epsilon: config.layer_norm_eps,
    },
    bias: attentionBias(m, 'attention_mask'),
    rows,
  });
}

/**
 * BERT (Devlin et al., arXiv 1810.04805) as transformers' BertForSequenceClassification (pooled first token, then a
 * linear head) and BertForTokenClassification.
 */
export const bert: Architecture = {
  modelTypes: ['bert'],
  basePrefix: 'bert.',
  heads: {
    sequence: {
      tensor: 'classifier.weight',
      modules: ['classifier'],
      build(m, raw, outputs) {
        const config = checkConfig(encoderConfig, raw);
        const hidden = config.hidden_size;
        const first = m.graph.op('Squeeze', [bertEncoder(m, raw, 'first'), m.vector([1])]);
        const dense = m.linear('bert.pooler.dense', first, { in: hidden, out: hidden, missing: 'make' });
        const pooled = m.graph.op('Tanh', [dense]);
        outputLogits(
          m,
          m.linear('classifier', pooled, { in: hidden, out: outputs, missing: 'make' }),
          outputs,
        );
        return { maxTokens: config.max_position_embeddings, vocabulary: config.vocab_size };
      },
    },
    token: tokenHead((m, raw) => {
      const config = checkConfig(encoderConfig, raw);
      return {
        rows: bertEncoder(m, raw, 'all'),
        hidden: config.hidden_size,
        maxTokens: config.max_position_embeddings,
        vocabulary: config.vocab_size,
      };
    }),
  },
};
