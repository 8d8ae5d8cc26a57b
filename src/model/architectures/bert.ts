import type { z } from 'zod';
import type { CheckpointConfig } from '../checkpoint.js';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, encoderConfig, type Architecture } from './architecture.js';
import { attentionBias, BERT_LAYER, encoder, type EncoderOptions } from './encoder-layer.js';
import { declareInputs, outputLogits, positions } from './inputs.js';
import { pooled } from './pooling.js';
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

/** A dense layer that was trained on the first token, to tell whether two sentences follow each other. */
function pooler(m: ModelBuilder, first: string, hidden: number): string {
  const size = { in: hidden, out: hidden, missing: 'make' } as const;
  return m.graph.op('Tanh', [m.linear('bert.pooler.dense', first, size)]);
}

/**
 * BERT (Devlin et al., arXiv 1810.04805) as transformers' BertForSequenceClassification (pooled first token, then a
 * linear head) and BertForTokenClassification. With `mean` pooling the linear head reads the mean, without the pooler.
 */
export const bert: Architecture = {
  modelTypes: ['bert'],
  basePrefix: 'bert.',
  heads: {
    sequence: {
      tensor: 'classifier.weight',
      modules: ['classifier'],
      build(m, raw, outputs, pooling) {
        const config = checkConfig(encoderConfig, raw);
        const hidden = config.hidden_size;
        const text = pooled(m, pooling, (rows) => bertEncoder(m, raw, rows));
        const vector = pooling === 'cls' ? pooler(m, text, hidden) : text;
        const size = { in: hidden, out: outputs, missing: 'make' } as const;
        outputLogits(m, m.linear('classifier', vector, size), outputs);
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
