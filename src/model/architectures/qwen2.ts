import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderConfig, decoderSpec, layerKinds, layerTypes } from './decoder-config.js';

/** What Qwen2 and Qwen3 share, with the defaults of transformers' Qwen2Config. */
export const qwenConfig = decoderConfig.extend({
  vocab_size: z.int().min(1).default(151_936),
  intermediate_size: z.int().min(1).default(22_016),
  num_key_value_heads: z.int().min(1).nullable().default(32),
  max_position_embeddings: z.int().min(1).default(32_768),
  use_sliding_window: z.boolean().default(false),
  sliding_window: z.int().min(1).nullable().default(4096),
  max_window_layers: z.int().min(0).default(28),
});

/** The window counts only where use_sliding_window says so, and then from layer max_window_layers on. */
export function qwenLayers(config: z.output<typeof qwenConfig>): ReturnType<typeof layerKinds> {
  const window = config.use_sliding_window ? config.sliding_window : null;
  const types = layerTypes(config, (layer) =>
    window !== null && layer >= config.max_window_layers ? 'sliding_attention' : 'full_attention',
  );
  return layerKinds({ ...config, sliding_window: window }, types);
}

/** Qwen2 and 2.5 (arXiv 2407.10671) as transformers' Qwen2ForCausalLM: Llama with biases on query, key and value. */
export const qwen2 = decoderArchitecture('qwen2', (raw) => {
  const config = checkConfig(qwenConfig, raw);
  const spec = decoderSpec(config, qwenLayers(config));
  return { ...spec, bias: { query: true, output: false, mlp: false } };
});
