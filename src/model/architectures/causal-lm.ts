import type { CheckpointConfig } from '../checkpoint.js';
import type { Architecture, ModelHead } from './architecture.js';
import { buildDecoder, type DecoderSpec } from './decoder.js';

/** The head of a language model: in the checkpoint, or the embedding itself. */
export function causalHead(build: ModelHead['build']): ModelHead {
  return { tensor: 'lm_head.weight', modules: ['lm_head'], build };
}

/** An architecture of the Llama family. `read` checks config.json. */
export function decoderArchitecture(
  modelType: string,
  read: (config: CheckpointConfig) => DecoderSpec,
): Architecture {
  return {
    modelTypes: [modelType],
    basePrefix: 'model.',
    heads: { 'causal-lm': causalHead((m, config) => buildDecoder(m, read(config))) },
  };
}
