import { z } from 'zod';
import { FedrotError } from '../../errors.js';
import type { DecoderSpec, LayerKind } from './decoder.js';
import { makeRope, ropeParameters, type Rope } from './rope.js';

const size = z.int().min(1);
const LAYER_TYPES = ['full_attention', 'sliding_attention'] as const;
export type LayerType = (typeof LAYER_TYPES)[number];

/** What the config.json of a decoder of the Llama family may say; defaults as LlamaConfig, others extend it. */
export const decoderConfig = z.looseObject({
  vocab_size: size.default(32_000),
  hidden_size: size.default(4096),
  intermediate_size: size.default(11_008),
  num_hidden_layers: size.default(32),
  num_attention_heads: size.default(32),
  num_key_value_heads: size.nullish(),
  head_dim: size.nullish(),
  max_position_embeddings: size.default(2048),
  hidden_act: z.string().default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().default(false),
  attention_bias: z.boolean().default(false),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().positive().max(1).optional(),
  original_max_position_embeddings: size.optional(),
  rope_scaling: ropeParameters.nullish(),
  /** One for all layers, or one for each type of layer. */
  rope_parameters: z.record(z.string(), z.unknown()).nullish(),
  sliding_window: size.nullish(),
  layer_types: z.array(z.enum(LAYER_TYPES)).nullish(),
  use_bidirectional_attention: z.literal(false, { error: 'only causal attention is supported' }).nullish(),
});

export type DecoderConfig = z.output<typeof decoderConfig>;

/** Dimensions of a head: head_dim, or hidden_size / num_attention_heads. Throws file_invalid where that is no integer. */
function headDim(config: DecoderConfig): number {
  const dim = config.head_dim ?? config.hidden_size / config.num_attention_heads;
  if (!Number.isInteger(dim))
    throw new FedrotError(
      'file_invalid',
      `config.json: hidden_size ${config.hidden_size} is not a multiple of num_attention_heads ${config.num_attention_heads}, and head_dim is not given`,
    );
  return dim;
}

/**
 * How heads turn in layers of a type: rope_parameters (transformers 5), or rope_scaling, rope_theta and
 * partial_rotary_factor side by side (before). `theta` is the architecture's default.
 */
export function ropeOf(config: DecoderConfig, type: LayerType = 'full_attention', theta = 10_000): Rope {
  const given = config.rope_parameters ?? undefined;
  const nested = given !== undefined && LAYER_TYPES.some((name) => typeof given[name] === 'object');
  const chosen: unknown = (nested ? given[type] : given) ?? config.rope_scaling ?? {};
  const parsed = ropeParameters.safeParse(chosen);
  if (!parsed.success)
    throw new FedrotError('file_invalid', `config.json: rope_parameters: ${z.prettifyError(parsed.error)}`);
  return makeRope(
    {
      rope_theta: config.rope_theta,
      partial_rotary_factor: config.partial_rotary_factor,
      ...parsed.data,
      // Phi-3 says it beside the parameters, and there it counts first (standardize_rope_params).
      original_max_position_embeddings:
        config.original_max_position_embeddings ?? parsed.data.original_max_position_embeddings,
    },
    { headDim: headDim(config), maxPositions: config.max_position_embeddings, theta },
  );
}

/** One entry a layer by the types that config.json lists. Throws file_invalid where it lists another number of layers. */
export function layerTypes(config: DecoderConfig, otherwise: (layer: number) => LayerType): LayerType[] {
  const listed = config.layer_types;
  if (listed && listed.length !== config.num_hidden_layers)
    throw new FedrotError(
      'file_invalid',
      `config.json: layer_types has ${listed.length} entries, but num_hidden_layers is ${config.num_hidden_layers}`,
    );
  return listed ?? Array.from({ length: config.num_hidden_layers }, (_, layer) => otherwise(layer));
}

/** Layers that all turn alike, with the window where their type says so. */
export function layerKinds(config: DecoderConfig, types: readonly LayerType[]): LayerKind[] {
  const rope = ropeOf(config);
  const window = config.sliding_window ?? undefined;
  return types.map((type) => ({ rope, window: type === 'sliding_attention' ? window : undefined }));
}

/** Full attention in every layer unless layer_types says otherwise. */
export const fullLayers = (config: DecoderConfig): LayerKind[] =>
  layerKinds(
    config,
    layerTypes(config, () => 'full_attention'),
  );

/** What Llama makes of a config; the others name what they do differently. */
export function decoderSpec(config: DecoderConfig, layers: readonly LayerKind[]): DecoderSpec {
  const dim = headDim(config);
  return {
    vocabulary: config.vocab_size,
    hidden: config.hidden_size,
    intermediate: config.intermediate_size,
    activation: config.hidden_act,
    epsilon: config.rms_norm_eps,
    maxTokens: config.max_position_embeddings,
    tied: config.tie_word_embeddings,
    heads: {
      count: config.num_attention_heads,
      keyValue: config.num_key_value_heads ?? config.num_attention_heads,
      dim,
      scale: 1 / Math.sqrt(dim),
    },
    layers,
    bias: { query: config.attention_bias, output: config.attention_bias, mlp: false },
    fused: false,
    headNorms: false,
    norms: 'pre',
    normOffset: 0,
    embeddingScale: 1,
  };
}
