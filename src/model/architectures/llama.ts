import { z } from 'zod';
import { checkConfig } from './architecture.js';
import { decoderArchitecture } from './causal-lm.js';
import { decoderConfig, decoderSpec, fullLayers } from './decoder-config.js';

const llamaConfig = decoderConfig.extend({ mlp_bias: z.boolean().default(false) });

/** Llama 1 to 3 (Touvron et al., arXiv 2302.13971; Grattafiori et al., arXiv 2407.21783) as transformers' LlamaForCausalLM. */
export const llama = decoderArchitecture('llama', (raw) => {
  const config = checkConfig(llamaConfig, raw);
  const spec = decoderSpec(config, fullLayers(config));
  return { ...spec, bias: { ...spec.bias, mlp: config.mlp_bias } };
});
