import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderSpec } from './decoder-config.js';
import { qwenConfig, qwenLayers } from './qwen2.js';

const qwen3Config = qwenConfig.extend({ head_dim: z.int().min(1).default(128) });

/** Qwen3 (arXiv 2505.09388) as transformers' Qwen3ForCausalLM: no biases, RMS norms on the heads of queries and keys. */
export const qwen3 = decoderArchitecture('qwen3', (raw) => {
  const config = checkConfig(qwen3Config, raw);
  return { ...decoderSpec(config, qwenLayers(config)), headNorms: true };
});
