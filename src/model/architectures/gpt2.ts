import { z } from 'zod';
import { FedrotError } from '../../errors.js';
import { activation } from '../activations.js';
import type { ModelBuilder } from '../model-builder.js';
import { checkConfig, type Architecture } from './architecture.js';
import { causalBias, positionRange } from './causal-mask.js';
import { causalHead } from './causal-lm.js';
import { groupedAttention } from './grouped-attention.js';
import { declareInputs, outputTokenLogits, positions } from './inputs.js';

const size = z.int().min(1);

/** With the defaults of transformers' GPT2Config. */
const gpt2Config = z.looseObject({
  vocab_size: size.default(50_257),
  n_positions: size.default(1024),
  n_embd: size.default(768),
  n_layer: size.default(12),
  n_head: size.default(12),
  n_inner: size.nullish(),
  activation_function: z.string().default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: z.boolean().default(true),
  scale_attn_by_inverse_layer_idx: z.boolean().default(false),
  tie_word_embeddings: z.boolean().default(true),
  add_cross_attention: z
    .literal(false, { error: 'only decoders without an encoder are supported' })
    .default(false),
});

type Gpt2Config = z.output<typeof gpt2Config>;

/** Conv1D: a linear module whose weight lies in × out. */
const conv1d = (m: ModelBuilder, name: string, x: string, inner: number, out: number): string =>
  m.linear(name, x, { in: inner, out, stored: 'in_out' });

function block(m: ModelBuilder, x: string, config: Gpt2Config, layer: number, bias: string): string {
  const g = m.graph;
  const { n_embd: hidden, n_head: count, layer_norm_epsilon: epsilon } = config;
  const prefix = `transformer.h.${layer}`;
  const normed = m.layerNorm(`${prefix}.ln_1`, x, hidden, epsilon);
  const together = conv1d(m, `${prefix}.attn.c_attn`, normed, hidden, 3 * hidden);
  const [query = '', key = '', value = ''] = g.op(
    'Split',
    [together, m.vector([hidden, hidden, hidden])],
    { axis: { kind: 'int', value: -1 } },
    3,
  );
  const dim = hidden / count;
  const scale = config.scale_attn_weights ? 1 / Math.sqrt(dim) : 1;
  const context = groupedAttention(m, {
    query,
    key,
    value,
    bias,
    heads: {
      count,
      keyValue: count,
      dim,
      scale: config.scale_attn_by_inverse_layer_idx ? scale / (layer + 1) : scale,
    },
  });
  const attended = g.op('Add', [conv1d(m, `${prefix}.attn.c_proj`, context, hidden, hidden), x]);
  const inner = config.n_inner ?? 4 * hidden;
  const wide = conv1d(
    m,
    `${prefix}.mlp.c_fc`,
    m.layerNorm(`${prefix}.ln_2`, attended, hidden, epsilon),
    hidden,
    inner,
  );
  const narrow = conv1d(
    m,
    `${prefix}.mlp.c_proj`,
    activation(m, config.activation_function, wide),
    inner,
    hidden,
  );
  return g.op('Add', [attended, narrow]);
}

/** GPT-2 (Radford et al. 2019) as transformers' GPT2LMHeadModel. */
export const gpt2: Architecture = {
  modelTypes: ['gpt2'],
  basePrefix: 'transformer.',
  heads: {
    'causal-lm': causalHead((m, raw) => {
      const config = checkConfig(gpt2Config, raw);
      const { n_embd: hidden, n_head: heads, vocab_size: vocabulary } = config;
      if (hidden % heads !== 0)
        throw new FedrotError(
          'file_invalid',
          `config.json: n_embd ${hidden} is not a multiple of n_head ${heads}`,
        );
      declareInputs(m, ['input_ids', 'attention_mask']);
      const bias = causalBias(m, positionRange(m));
      const words = m.embedding('transformer.wte', 'input_ids', [vocabulary, hidden]);
      let x = m.graph.op('Add', [words, positions(m, 'transformer.wpe', [config.n_positions, hidden])]);
      for (let layer = 0; layer < config.n_layer; layer++) x = block(m, x, config, layer, bias);
      x = m.layerNorm('transformer.ln_f', x, hidden, config.layer_norm_epsilon);
      const logits = config.tie_word_embeddings
        ? m.tiedHead('lm_head', x, 'transformer.wte.weight', [vocabulary, hidden])
        : m.linear('lm_head', x, { in: hidden, out: vocabulary, bias: false });
      outputTokenLogits(m, logits, vocabulary);
      return { maxTokens: config.n_positions, vocabulary };
    }),
  },
};
