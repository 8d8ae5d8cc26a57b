import { z } from 'zod';
import type { CheckpointConfig } from '../checkpoint.js';
import { checkJson } from '../json-file.js';
import type { ModelBuilder } from '../model-builder.js';
import type { Pooling } from './pooling.js';

/** What a model gives: one row of scores for a text, one for each of its tokens, or the next token's. */
export type HeadKind = 'sequence' | 'token' | 'causal-lm';

/** How an architecture looks to the importer: one file each, listed in ../architectures.ts. */
export interface Architecture {
  /** Values of config.json's model_type that it builds. */
  readonly modelTypes: readonly string[];
  /**
   * The prefix of the base model's modules in the whole model, with its dot (transformers:
   * base_model_prefix).
   */
  readonly basePrefix: string;
  /** The heads that it can be built with. */
  readonly heads: Readonly<Partial<Record<HeadKind, ModelHead>>>;
}

export interface ModelHead {
  /**
   * A tensor whose rows are the classes of the checkpoint's head; absent where the checkpoint has no head.
   */
  readonly tensor: string;
  /** Modules of the head by their common name, as PEFT's modules_to_save names them. */
  readonly modules: readonly string[];
  /**
   * Adds inputs, layers and the output `logits` to the builder's graph: batch × outputs (sequence), batch × sequence ×
   * outputs (token) or batch × sequence × vocabulary (causal-lm, which has no use for `outputs`). Throws file_invalid
   * for a config or weights that do not fit, model_unsupported for a variant that is not covered. Only sequence heads
   * heed `pooling`.
   */
  readonly build: (
    m: ModelBuilder,
    config: CheckpointConfig,
    outputs: number,
    pooling: Pooling,
  ) => BuiltModel;
}

export interface BuiltModel {
  /** The longest sequence that the position embeddings allow, special tokens included. */
  readonly maxTokens: number;
  /** Token ids are below this. */
  readonly vocabulary: number;
}

const size = z.int().min(1);

/** What every architecture's config.json may say, with the defaults of transformers' PretrainedConfig. */
export const commonConfig = z.looseObject({
  initializer_range: z.number().positive().default(0.02),
  pad_token_id: z.int().nullish(),
  id2label: z.record(z.string().regex(/^\d+$/), z.string()).optional(),
  /** As far as it is known where the weights come from: a path or a name of the hub, not to be trusted. */
  _name_or_path: z.string().optional(),
});

/**
 * The sizes of a BERT-like encoder, as config.json names them in BERT, RoBERTa and ELECTRA; defaults as
 * BertConfig.
 */
export const encoderConfig = z.looseObject({
  vocab_size: size.default(30_522),
  hidden_size: size.default(768),
  num_hidden_layers: size.default(12),
  num_attention_heads: size.default(12),
  intermediate_size: size.default(3072),
  hidden_act: z.string().default('gelu'),
  max_position_embeddings: size.default(512),
  type_vocab_size: size.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  position_embedding_type: z
    .literal('absolute', { error: 'only absolute positions are supported' })
    .default('absolute'),
  is_decoder: z.literal(false, { error: 'only encoders are supported' }).default(false),
  add_cross_attention: z.literal(false, { error: 'only encoders are supported' }).default(false),
});

/** config.json against a schema. Throws file_invalid. */
export function checkConfig<S extends z.ZodType>(schema: S, config: CheckpointConfig): z.output<S> {
  return checkJson(schema, config, 'config.json');
}
