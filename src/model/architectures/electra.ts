import { z } from 'zod';
import { activation } from '../activations.js';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, encoderConfig, type Architecture } from './architecture.js';
import { attentionBias, BERT_LAYER, encoder, type EncoderOptions } from './encoder-layer.js';
import { declareInputs, outputLogits, positions } from './inputs.js';
import { pooled } from './pooling.js';
import { tokenHead } from './token-head.js';

/** With the defaults of transformers' ElectraConfig. */
const electraConfig = encoderConfig.extend({
  embedding_size: z.int().min(1).default(128),
  hidden_size: z.int().min(1).default(256),
  num_attention_heads: z.int().min(1).default(4),
  intermediate_size: z.int().min(1).default(1024),
});
type ElectraConfig = z.output<typeof electraConfig>;

/** As BERT's, in embedding_size dimensions, then projected to hidden_size where the two differ. */
function embeddings(m: ModelBuilder, config: ElectraConfig): string {
  const g = m.graph;
  const { embedding_size: size, hidden_size: hidden } = config;
  const name = (table: string): string => `electra.embeddings.${table}`;
  const words = m.embedding(name('word_embeddings'), 'input_ids', [config.vocab_size, size]);
  const types = m.embedding(name('token_type_embeddings'), 'token_type_ids', [config.type_vocab_size, size]);
  const places = positions(m, name('position_embeddings'), [config.max_position_embeddings, size]);
  const sum = g.op('Add', [g.op('Add', [words, types]), places]);
  const normalized = m.layerNorm(name('LayerNorm'), sum, size, config.layer_norm_eps);
  if (size === hidden) return normalized;
  return m.linear('electra.embeddings_project', normalized, { in: size, out: hidden });
}

function electraEncoder(m: ModelBuilder, config: ElectraConfig, rows: EncoderOptions['rows']): string {
  declareInputs(m, ['input_ids', 'attention_mask', 'token_type_ids']);
  return encoder(m, embeddings(m, config), {
    prefix: (layer) => `electra.encoder.layer.${layer}.`,
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
 * ELECTRA (Clark et al., arXiv 2003.10555) as transformers' ElectraForSequenceClassification (first token, dense, GELU,
 * linear) and ElectraForTokenClassification.
 */
export const electra: Architecture = {
  modelTypes: ['electra'],
  basePrefix: 'electra.',
  heads: {
    sequence: {
      tensor: 'classifier.out_proj.weight',
      modules: ['classifier'],
      build(m, raw, outputs, pooling) {
        const config = checkConfig(electraConfig, raw);
        const hidden = config.hidden_size;
        const text = pooled(m, pooling, (rows) => electraEncoder(m, config, rows));
        const dense = m.linear('classifier.dense', text, { in: hidden, out: hidden, missing: 'make' });
        // Whatever hidden_act says: the head's activation is written out as gelu.
        const mixed = activation(m, 'gelu', dense);
        const size = { in: hidden, out: outputs, missing: 'make' } as const;
        outputLogits(m, m.linear('classifier.out_proj', mixed, size), outputs);
        return { maxTokens: config.max_position_embeddings, vocabulary: config.vocab_size };
      },
    },
    token: tokenHead((m, raw) => {
      const config = checkConfig(electraConfig, raw);
      return {
        rows: electraEncoder(m, config, 'all'),
        hidden: config.hidden_size,
        maxTokens: config.max_position_embeddings,
        vocabulary: config.vocab_size,
      };
    }),
  },
};
