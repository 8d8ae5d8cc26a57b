import { z } from 'zod';
import { int } from '../../train/ir/attributes.js';
import { elementTypeCode } from '../../train/ir/element-type.js';
import { int64Tensor } from '../../train/ir/tensor-value.js';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, encoderConfig, type Architecture } from './architecture.js';
import { attentionBias, BERT_LAYER, encoder, type EncoderOptions } from './encoder-layer.js';
import { declareInputs, outputLogits } from './inputs.js';
import { pooled } from './pooling.js';
import { tokenHead } from './token-head.js';

const robertaConfig = encoderConfig.extend({
  vocab_size: z.int().min(1).default(50_265),
  pad_token_id: z.int().min(0).default(1),
});
type RobertaConfig = z.output<typeof robertaConfig>;

/**
 * Positions count a row's tokens from pad_token_id + 1; padding stands at pad_token_id (transformers:
 * create_position_ids_from_input_ids).
 */
function positionIds(m: ModelBuilder, padId: number): string {
  const g = m.graph;
  const pad = g.constant(int64Tensor([], [padId]));
  const isToken = g.op('Cast', [g.op('Not', [g.op('Equal', ['input_ids', pad])])], {
    to: int(elementTypeCode('int64')),
  });
  const count = g.op('CumSum', [isToken, g.constant(int64Tensor([], [1]))]);
  return g.op('Add', [g.op('Mul', [count, isToken]), pad]);
}

function embeddings(m: ModelBuilder, config: RobertaConfig): string {
  const g = m.graph;
  const hidden = config.hidden_size;
  const name = (table: string): string => `roberta.embeddings.${table}`;
  const words = m.embedding(name('word_embeddings'), 'input_ids', [config.vocab_size, hidden]);
  const places = m.embedding(name('position_embeddings'), positionIds(m, config.pad_token_id), [
    config.max_position_embeddings,
    hidden,
  ]);
  // RoBERTa's tokenizers give no token types: every token has type 0.
  const types = m.weight(`${name('token_type_embeddings')}.weight`, [config.type_vocab_size, hidden]);
  const type = g.op('Slice', [types, m.vector([0]), m.vector([1]), m.vector([0])]);
  const sum = g.op('Add', [g.op('Add', [words, type]), places]);
  return m.layerNorm(name('LayerNorm'), sum, hidden, config.layer_norm_eps);
}

function robertaEncoder(m: ModelBuilder, config: RobertaConfig, rows: EncoderOptions['rows']): string {
  declareInputs(m, ['input_ids', 'attention_mask']);
  return encoder(m, embeddings(m, config), {
    prefix: (layer) => `roberta.encoder.layer.${layer}.`,
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
 * RoBERTa (Liu et al., arXiv 1907.11692) as transformers' RobertaForSequenceClassification (first token, dense, tanh,
 * linear; no pooler) and RobertaForTokenClassification, and the models of the same build.
 */
export const roberta: Architecture = {
  modelTypes: ['roberta', 'xlm-roberta', 'camembert'],
  basePrefix: 'roberta.',
  heads: {
    sequence: {
      tensor: 'classifier.out_proj.weight',
      modules: ['classifier'],
      build(m, raw, outputs, pooling) {
        const config = checkConfig(robertaConfig, raw);
        const hidden = config.hidden_size;
        const text = pooled(m, pooling, (rows) => robertaEncoder(m, config, rows));
        const dense = m.linear('classifier.dense', text, { in: hidden, out: hidden, missing: 'make' });
        const mixed = m.graph.op('Tanh', [dense]);
        const size = { in: hidden, out: outputs, missing: 'make' } as const;
        outputLogits(m, m.linear('classifier.out_proj', mixed, size), outputs);
        return {
          maxTokens: config.max_position_embeddings - config.pad_token_id - 1,
          vocabulary: config.vocab_size,
        };
      },
    },
    token: tokenHead((m, raw) => {
      const config = checkConfig(robertaConfig, raw);
      return {
        rows: robertaEncoder(m, config, 'all'),
        hidden: config.hidden_size,
        maxTokens: config.max_position_embeddings - config.pad_token_id - 1,
        vocabulary: config.vocab_size,
      };
    }),
  },
};
