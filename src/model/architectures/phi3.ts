import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderConfig, decoderSpec, layerKinds, layerTypes } from './decoder-config.js';
import { ropeParameters, type RopeParameters } from './rope.js';

/** LongRoPE was first called `su`, and `yarn` in some Phi-3 configs (transformers: Phi3Config). */
const OLD_NAMES: readonly (string | undefined)[] = ['su', 'yarn'];

const renamed = (rope: RopeParameters): RopeParameters => {
  const type = rope.rope_type ?? rope.type;
  return OLD_NAMES.includes(type) ? { ...rope, rope_type: 'longrope' } : rope;
};

/** With the defaults of transformers' Phi3Config. */
const phi3Config = decoderConfig.extend({
  vocab_size: z.int().min(1).default(32_064),
  hidden_size: z.int().min(1).default(3072),
  intermediate_size: z.int().min(1).default(8192),
  max_position_embeddings: z.int().min(1).default(4096),
  original_max_position_embeddings: z.int().min(1).default(4096),
  rms_norm_eps: z.number().positive().default(1e-5),
  rope_scaling: ropeParameters.transform(renamed).nullish(),
  rope_parameters: ropeParameters.transform(renamed).nullish(),
});

/** Phi-3 and Phi-4 (arXiv 2404.14219) as transformers' Phi3ForCausalLM: Llama with fused qkv_proj and gate_up_proj. */
export const phi3 = decoderArchitecture('phi3', (raw) => {
  const config = checkConfig(phi3Config, raw);
  const types = layerTypes(config, () => 'sliding_attention');
  return { ...decoderSpec(config, layerKinds(config, types)), fused: true };
});
