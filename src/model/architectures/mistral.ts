import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderConfig, decoderSpec, layerKinds, layerTypes } from './decoder-config.js';

/** Defaults of transformers' MistralConfig: the window too, where config.json does not say null. */
const mistralConfig = decoderConfig.extend({
  intermediate_size: z.int().min(1).default(14_336),
  num_key_value_heads: z.int().min(1).nullable().default(8),
  max_position_embeddings: z.int().min(1).default(131_072),
  sliding_window: z.int().min(1).nullable().default(4096),
});

/** Mistral (Jiang et al., arXiv 2310.06825) as transformers' MistralForCausalLM: Llama with a sliding window. */
export const mistral = decoderArchitecture('mistral', (raw) => {
  const config = checkConfig(mistralConfig, raw);
  const types = layerTypes(config, () => 'sliding_attention');
  return decoderSpec(config, layerKinds(config, types));
});
