import { z } from 'zod';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, type Architecture } from './architecture.js';
import { attentionBias, encoder, type EncoderOptions, type LayerNames } from './encoder-layer.js';
import { declareInputs, outputLogits, positions } from './inputs.js';
import { pooled } from './pooling.js';
import { tokenHead } from './token-head.js';

/** With the defaults of transformers' DistilBertConfig. */
const distilbertConfig = z.looseObject({
  vocab_size: z.int().min(1).default(30_522),
  dim: z.int().min(1).default(768),
  n_layers: z.int().min(1).default(6),
  n_heads: z.int().min(1).default(12),
  hidden_dim: z.int().min(1).default(3072),
  activation: z.string().default('gelu'),
  max_position_embeddings: z.int().min(1).default(512),
});
type DistilbertConfig = z.output<typeof distilbertConfig>;

/** Not in the config: modeling_distilbert.py writes it out. */
const EPSILON = 1e-12;

const NAMES: LayerNames = {
  query: 'attention.q_lin',
  key: 'attention.k_lin',
  value: 'attention.v_lin',
  attentionOutput: 'attention.out_lin',
  attentionNorm: 'sa_layer_norm',
  intermediate: 'ffn.lin1',
  output: 'ffn.lin2',
  outputNorm: 'output_layer_norm',
};

function embeddings(m: ModelBuilder, config: DistilbertConfig): string {
  const name = (table: string): string => `distilbert.embeddings.${table}`;
  const words = m.embedding(name('word_embeddings'), 'input_ids', [config.vocab_size, config.dim]);
  const places = positions(m, name('position_embeddings'), [config.max_position_embeddings, config.dim]);
  return m.layerNorm(name('LayerNorm'), m.graph.op('Add', [words, places]), config.dim, EPSILON);
}

function distilbertEncoder(m: ModelBuilder, config: DistilbertConfig, rows: EncoderOptions['rows']): string {
  declareInputs(m, ['input_ids', 'attention_mask']);
  return encoder(m, embeddings(m, config), {
    prefix: (layer) => `distilbert.transformer.layer.${layer}.`,
    names: NAMES,
    layers: config.n_layers,
    shape: {
      hidden: config.dim,
      heads: config.n_heads,
      intermediate: config.hidden_dim,
      activation: config.activation,
      epsilon: EPSILON,
    },
    bias: attentionBias(m, 'attention_mask'),
    rows,
  });
}

/**
 * DistilBERT (Sanh et al., arXiv 1910.01108) as transformers' DistilBertForSequenceClassification (first token, dense,
 * ReLU, linear) and DistilBertForTokenClassification.
 */
export const distilbert: Architecture = {
  modelTypes: ['distilbert'],
  basePrefix: 'distilbert.',
  heads: {
    sequence: {
      tensor: 'classifier.weight',
      modules: ['pre_classifier', 'classifier'],
      build(m, raw, outputs, pooling) {
        const config = checkConfig(distilbertConfig, raw);
        const { dim } = config;
        const text = pooled(m, pooling, (rows) => distilbertEncoder(m, config, rows));
        const dense = m.linear('pre_classifier', text, { in: dim, out: dim, missing: 'make' });
        const kept = m.graph.op('Relu', [dense]);
        outputLogits(m, m.linear('classifier', kept, { in: dim, out: outputs, missing: 'make' }), outputs);
        return { maxTokens: config.max_position_embeddings, vocabulary: config.vocab_size };
      },
    },
    token: tokenHead((m, raw) => {
      const config = checkConfig(distilbertConfig, raw);
      return {
        rows: distilbertEncoder(m, config, 'all'),
        hidden: config.dim,
        maxTokens: config.max_position_embeddings,
        vocabulary: config.vocab_size,
      };
    }),
  },
};
