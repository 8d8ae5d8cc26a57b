import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderSpec, layerKinds, layerTypes } from './decoder-config.js';
import { gemmaConfig, gemmaTraits } from './gemma.js';

const size = z.int().min(1);

/** With the defaults of transformers' Gemma2Config. */
const gemma2Config = gemmaConfig.extend({
  hidden_size: size.default(2304),
  intermediate_size: size.default(9216),
  num_hidden_layers: size.default(26),
  num_attention_heads: size.default(8),
  num_key_value_heads: size.nullable().default(4),
  hidden_activation: z.string().default('gelu_pytorch_tanh'),
  sliding_window: size.nullable().default(4096),
  query_pre_attn_scalar: z.number().positive().default(256),
  attn_logit_softcapping: z.number().positive().nullable().default(50),
  final_logit_softcapping: z.number().positive().nullable().default(30),
});

/**
 * Gemma 2 (arXiv 2408.00118) as transformers' Gemma2ForCausalLM: norms around attention and MLP, capped scores, every
 * other layer with a window.
 */
export const gemma2 = decoderArchitecture('gemma2', (raw) => {
  const config = checkConfig(gemma2Config, raw);
  const types = layerTypes(config, (layer) => (layer % 2 === 0 ? 'sliding_attention' : 'full_attention'));
  const spec = decoderSpec(config, layerKinds(config, types));
  return {
    ...spec,
    ...gemmaTraits(config),
    activation: config.hidden_activation,
    norms: 'around',
    heads: {
      ...spec.heads,
      scale: 1 / Math.sqrt(config.query_pre_attn_scalar),
      cap: config.attn_logit_softcapping ?? undefined,
    },
    logitCap: config.final_logit_softcapping ?? undefined,
  };
});
