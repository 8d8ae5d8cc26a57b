import { z } from 'zod';
import { FedrotError } from '../../errors.js';

/** Rotary position embeddings (Su et al., arXiv 2104.09864): how fast each pair of dimensions turns. */
export interface Rope {
  /** Leading dimensions of a head that turn; even. The rest stay as they are. */
  readonly rotaryDim: number;
  /** Radians per position, rotaryDim / 2 numbers. */
  readonly frequencies: Float32Array;
  /** Where sequences above so many tokens turn at other frequencies (LongRoPE). */
  readonly long?: { readonly above: number; readonly frequencies: Float32Array } | undefined;
  /** Both cosine and sine are multiplied by it. */
  readonly attentionFactor: number;
}

/** rope_parameters of config.json (transformers 5), or rope_scaling with the rest beside it (before). */
export const ropeParameters = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().positive().optional(),
  partial_rotary_factor: z.number().positive().max(1).optional(),
  factor: z.number().positive().nullish(),
  original_max_position_embeddings: z.int().min(1).nullish(),
  attention_factor: z.number().positive().nullish(),
  low_freq_factor: z.number().positive().optional(),
  high_freq_factor: z.number().positive().optional(),
  beta_fast: z.number().positive().nullish(),
  beta_slow: z.number().positive().nullish(),
  mscale: z.number().nullish(),
  mscale_all_dim: z.number().nullish(),
  truncate: z.boolean().optional(),
  short_factor: z.array(z.number().positive()).optional(),
  long_factor: z.array(z.number().positive()).optional(),
});

export type RopeParameters = z.output<typeof ropeParameters>;

export interface RopeContext {
  readonly headDim: number;
  readonly maxPositions: number;
  readonly theta: number;
}

type Scaled = Pick<Rope, 'frequencies' | 'long' | 'attentionFactor'>;
type Scaling = (plain: Float32Array, parameters: RopeParameters, context: RopeContext) => Scaled;

/** θ^(−2i/d) in float32, as transformers computes it. */
function plainFrequencies(theta: number, dim: number): Float32Array {
  return Float32Array.from(
    { length: dim / 2 },
    (_, i) => 1 / Math.fround(theta ** Math.fround((2 * i) / dim)),
  );
}

function need<K extends keyof RopeParameters>(
  parameters: RopeParameters,
  key: K,
): NonNullable<RopeParameters[K]> {
  const value = parameters[key];
  if (value === undefined || value === null)
    throw new FedrotError('file_invalid', `config.json: rope_parameters has no ${key}`);
  return value;
}

const scaled = (frequencies: Float32Array, attentionFactor = 1): Scaled => ({ frequencies, attentionFactor });

/** Llama 3.1: long waves are stretched by `factor`, short ones kept, those between interpolated. */
const llama3: Scaling = (plain, parameters, { maxPositions }) => {
  const factor = need(parameters, 'factor');
  const low = need(parameters, 'low_freq_factor');
  const high = need(parameters, 'high_freq_factor');
  const original = parameters.original_max_position_embeddings ?? maxPositions;
  return scaled(
    plain.map((frequency) => {
      const wave = (2 * Math.PI) / frequency;
      if (wave < original / high) return frequency;
      if (wave > original / low) return frequency / factor;
      const smooth = (original / wave - low) / (high - low);
      return ((1 - smooth) * frequency) / factor + smooth * frequency;
    }),
  );
};

/** YaRN (Peng et al., arXiv 2309.00071): interpolation by a ramp over the dimensions, and warmer attention. */
const yarn: Scaling = (plain, parameters, { maxPositions, theta }) => {
  const dim = 2 * plain.length;
  const original = parameters.original_max_position_embeddings ?? maxPositions;
  const factor = parameters.factor ?? maxPositions / original;
  const mscale = (weight: number): number => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  const { mscale: above, mscale_all_dim: below } = parameters;
  const attention =
    parameters.attention_factor ?? (above && below ? mscale(above) / mscale(below) : mscale(1));
  /** The dimension that turns so many times within the original context. */
  const turning = (rotations: number): number =>
    (dim * Math.log(original / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [turning(parameters.beta_fast ?? 32), turning(parameters.beta_slow ?? 1)];
  const whole = parameters.truncate ?? true;
  const begin = Math.max(whole ? Math.floor(fast) : fast, 0);
  const end = Math.min(whole ? Math.ceil(slow) : slow, dim - 1);
  return scaled(
    plain.map((frequency, i) => {
      const ramp = Math.min(Math.max((i - begin) / (begin === end ? 0.001 : end - begin), 0), 1);
      return (frequency / factor) * ramp + frequency * (1 - ramp);
    }),
    attention,
  );
};

/** LongRoPE (Ding et al., arXiv 2402.13753): one factor a dimension, others beyond the original context. */
const longrope: Scaling = (plain, parameters, { maxPositions }) => {
  const original = parameters.original_max_position_embeddings ?? maxPositions;
  const factor = parameters.factor ?? maxPositions / original;
  const attention =
    parameters.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(original)));
  const divide = (key: 'short_factor' | 'long_factor'): Float32Array => {
    const factors = need(parameters, key);
    if (factors.length !== plain.length)
      throw new FedrotError(
        'file_invalid',
        `config.json: rope_parameters.${key} has ${factors.length} numbers, but ${plain.length} pairs of dimensions turn`,
      );
    return plain.map((frequency, i) => frequency / (factors[i] ?? 1));
  };
  return {
    frequencies: divide('short_factor'),
    long: { above: original, frequencies: divide('long_factor') },
    attentionFactor: attention,
  };
};

/** By the names of transformers' ROPE_INIT_FUNCTIONS. */
const SCALINGS: Readonly<Record<string, Scaling>> = {
  default: (plain) => scaled(plain),
  linear: (plain, parameters) => scaled(plain.map((frequency) => frequency / need(parameters, 'factor'))),
  // Dynamic NTK changes nothing up to max_position_embeddings, and longer sequences are not taken.
  dynamic: (plain) => scaled(plain),
  llama3,
  yarn,
  longrope,
};

/** Throws model_unsupported for a kind of scaling that is not known, file_invalid where its numbers are missing. */
export function makeRope(parameters: RopeParameters, context: RopeContext): Rope {
  const type = parameters.rope_type ?? parameters.type ?? 'default';
  const scaling = Object.hasOwn(SCALINGS, type) ? SCALINGS[type] : undefined;
  if (scaling === undefined)
    throw new FedrotError(
      'model_unsupported',
      `config.json: rope_type ${type} is not known; known are ${Object.keys(SCALINGS).join(', ')}`,
    );
  const theta = parameters.rope_theta ?? context.theta;
  const rotaryDim = Math.trunc(context.headDim * (parameters.partial_rotary_factor ?? 1));
  if (rotaryDim < 2 || rotaryDim % 2 !== 0)
    throw new FedrotError(
      'model_unsupported',
      `config.json: ${rotaryDim} dimensions of a head turn (head_dim ${context.headDim}); they must be an even number`,
    );
  return { rotaryDim, ...scaling(plainFrequencies(theta, rotaryDim), parameters, { ...context, theta }) };
}
