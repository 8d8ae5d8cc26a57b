import { FedrotError } from '../errors.js';
import type { Architecture } from './architectures/architecture.js';
import { bert } from './architectures/bert.js';
import { distilbert } from './architectures/distilbert.js';
import { electra } from './architectures/electra.js';
import { gemma } from './architectures/gemma.js';
import { gemma2 } from './architectures/gemma2.js';
import { gemma3 } from './architectures/gemma3.js';
import { gpt2 } from './architectures/gpt2.js';
import { llama } from './architectures/llama.js';
import { mistral } from './architectures/mistral.js';
import { phi3 } from './architectures/phi3.js';
import { qwen2 } from './architectures/qwen2.js';
import { qwen3 } from './architectures/qwen3.js';
import { roberta } from './architectures/roberta.js';

/** Every architecture that can be built from a checkpoint. A new one is one file and one entry here. */
const ARCHITECTURES: readonly Architecture[] = [
  bert,
  roberta,
  distilbert,
  electra,
  gpt2,
  llama,
  mistral,
  qwen2,
  qwen3,
  phi3,
  gemma,
  gemma2,
  gemma3,
];

/** By model_type, as config.json writes it. */
const BY_MODEL_TYPE: ReadonlyMap<string, Architecture> = new Map(
  ARCHITECTURES.flatMap((architecture) =>
    architecture.modelTypes.map((type) => [type, architecture] as const),
  ),
);

/** Values of model_type that can be built, in order of name. */
export const KNOWN_MODEL_TYPES: readonly string[] = [...BY_MODEL_TYPE.keys()].sort();

/** Throws model_unsupported, naming the model_type and the known ones. */
export function architectureOf(modelType: string): Architecture {
  const architecture = BY_MODEL_TYPE.get(modelType);
  if (!architecture)
    throw new FedrotError(
      'model_unsupported',
      `config.json: model_type ${modelType} cannot be built from a checkpoint; known are ${KNOWN_MODEL_TYPES.join(', ')}`,
    );
  return architecture;
}
