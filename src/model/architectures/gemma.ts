import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderConfig, decoderSpec, fullLayers } from './decoder-config.js';

const size = z.int().min(1);

/** What all Gemmas share; sizes with the defaults of transformers' GemmaConfig. */
export const gemmaConfig = decoderConfig.extend({
  vocab_size: size.default(256_000),
  hidden_size: size.default(3072),
  intermediate_size: size.default(24_576),
  num_hidden_layers: size.default(28),
  num_attention_heads: size.default(16),
  num_key_value_heads: size.nullable().default(16),
  head_dim: size.default(256),
  max_position_embeddings: size.default(8192),
  tie_word_embeddings: z.boolean().default(true),
  hidden_act: z.string().default('gelu_pytorch_tanh'),
  hidden_activation: z.string().nullish(),
});

/** What every Gemma does differently from Llama: norms weigh by 1 + w, and embeddings are multiplied by √hidden. */
export const gemmaTraits = ({ hidden_size }: { readonly hidden_size: number }) =>
  ({ normOffset: 1, embeddingScale: Math.sqrt(hidden_size) }) as const;

/** Gemma (arXiv 2403.08295) as transformers' GemmaForCausalLM. */
export const gemma = decoderArchitecture('gemma', (raw) => {
  const config = checkConfig(gemmaConfig, raw);
  const named = config.hidden_activation ?? config.hidden_act;
  return {
    ...decoderSpec(config, fullLayers(config)),
    ...gemmaTraits(config),
    // The first releases say gelu and mean its tanh approximation (transformers: GemmaConfig).
    activation: named === 'gelu' ? 'gelu_pytorch_tanh' : named,
  };
});
