import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderSpec, layerTypes, ropeOf, type LayerType } from './decoder-config.js';
import { gemmaConfig, gemmaTraits } from './gemma.js';

const size = z.int().min(1);

/** With the defaults of transformers' Gemma3TextConfig. */
const gemma3Config = gemmaConfig.extend({
  vocab_size: size.default(262_208),
  hidden_size: size.default(2304),
  intermediate_size: size.default(9216),
  num_hidden_layers: size.default(26),
  num_attention_heads: size.default(8),
  num_key_value_heads: size.nullable().default(4),
  max_position_embeddings: size.default(131_072),
  hidden_activation: z.string().default('gelu_pytorch_tanh'),
  sliding_window: size.nullable().default(4096),
  /** Every so manieth layer sees everything. */
  sliding_window_pattern: size.default(6),
  rope_local_base_freq: z.number().positive().default(10_000),
  query_pre_attn_scalar: z.number().positive().default(256),
  final_logit_softcapping: z.number().positive().nullish(),
});

type Gemma3Config = z.output<typeof gemma3Config>;

/**
 * Layers with a window turn at their own, faster base frequency (rope_local_base_freq) and unscaled; the others at
 * rope_theta with its scaling. transformers 5 writes both into rope_parameters.
 */
function ropes(config: Gemma3Config): Record<LayerType, ReturnType<typeof ropeOf>> {
  const global = ropeOf(config, 'full_attention', 1_000_000);
  if (config.rope_parameters)
    return { full_attention: global, sliding_attention: ropeOf(config, 'sliding_attention') };
  const local = { ...config, rope_scaling: null, rope_theta: config.rope_local_base_freq };
  return { full_attention: global, sliding_attention: ropeOf(local, 'sliding_attention') };
}

/** The text model of Gemma 3 (arXiv 2503.19786) as transformers' Gemma3ForCausalLM. */
export const gemma3 = decoderArchitecture('gemma3_text', (raw) => {
  const config = checkConfig(gemma3Config, raw);
  const rope = ropes(config);
  const types = layerTypes(config, (layer) =>
    (layer + 1) % config.sliding_window_pattern === 0 ? 'full_attention' : 'sliding_attention',
  );
  const window = config.sliding_window ?? undefined;
  const layers = types.map((type) => ({
    rope: rope[type],
    window: type === 'sliding_attention' ? window : undefined,
  }));
  const spec = decoderSpec(config, layers);
  return {
    ...spec,
    ...gemmaTraits(config),
    activation: config.hidden_activation,
    norms: 'around',
    headNorms: true,
    heads: { ...spec.heads, scale: 1 / Math.sqrt(config.query_pre_attn_scalar) },
    logitCap: config.final_logit_softcapping ?? undefined,
  };
});
