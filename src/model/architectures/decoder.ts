import { FedrotError } from '../../errors.js';
import { activation } from '../activations.js';
import type { ModelBuilder } from '../model-builder.js';
import type { BuiltModel } from './architecture.js';
import { causalBias, positionRange } from './causal-mask.js';
import { groupedAttention, softCap, type Heads } from './grouped-attention.js';
import { declareInputs, outputTokenLogits } from './inputs.js';
import type { Rope } from './rope.js';
import { rotaryAngles, rotate, type Angles } from './rotary.js';

/** What a layer looks at: its window (undefined: everything before) and how its heads turn. */
export interface LayerKind {
  readonly window?: number | undefined;
  readonly rope: Rope;
}

/** A decoder of the Llama family: what its config.json comes down to. Names of modules are transformers'. */
export interface DecoderSpec {
  readonly vocabulary: number;
  readonly hidden: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
  readonly maxTokens: number;
  readonly tied: boolean;
  readonly heads: Heads;
  /** One entry a layer; equal objects share angles and masks. */
  readonly layers: readonly LayerKind[];
  readonly bias: { readonly query: boolean; readonly output: boolean; readonly mlp: boolean };
  /** Query, key and value in one matrix (qkv_proj), gate and up in another (gate_up_proj). */
  readonly fused: boolean;
  /** RMS norm over each head of queries and keys before they turn. */
  readonly headNorms: boolean;
  /** `pre`: before attention and MLP; `around`: before and after both (Gemma 2 and 3). */
  readonly norms: 'pre' | 'around';
  /** Added to every norm's weight. */
  readonly normOffset: number;
  readonly embeddingScale: number;
  /** cap · tanh(logits / cap) at the end. */
  readonly logitCap?: number | undefined;
}

/** Embedding, layers, last norm and the scores of the next token: batch × sequence × vocabulary. */
export function buildDecoder(m: ModelBuilder, spec: DecoderSpec): BuiltModel {
  const { heads, hidden, vocabulary } = spec;
  if (heads.count % heads.keyValue !== 0)
    throw new FedrotError(
      'file_invalid',
      `config.json: ${heads.count} attention heads cannot share ${heads.keyValue} key/value heads`,
    );
  declareInputs(m, ['input_ids', 'attention_mask']);
  const positions = positionRange(m);
  const bias = remember((window: number | undefined) => causalBias(m, positions, window));
  const angles = remember((rope: Rope) => rotaryAngles(m, rope, positions));
  const words = m.embedding('model.embed_tokens', 'input_ids', [vocabulary, hidden]);
  let x = spec.embeddingScale === 1 ? words : m.graph.op('Mul', [words, m.scalar(spec.embeddingScale)]);
  for (const [index, { window, rope }] of spec.layers.entries()) {
    // A window as long as the longest sequence hides nothing.
    const narrow = window !== undefined && window < spec.maxTokens ? window : undefined;
    x = decoderLayer(m, x, spec, {
      prefix: `model.layers.${index}`,
      bias: bias(narrow),
      angles: angles(rope),
    });
  }
  x = norm(m, 'model.norm', x, spec);
  const size = [vocabulary, hidden] as const;
  const logits = spec.tied
    ? m.tiedHead('lm_head', x, 'model.embed_tokens.weight', size)
    : m.linear('lm_head', x, { in: hidden, out: vocabulary, bias: false });
  outputTokenLogits(m, spec.logitCap === undefined ? logits : softCap(m, logits, spec.logitCap), vocabulary);
  return { maxTokens: spec.maxTokens, vocabulary };
}

interface LayerParts {
  readonly prefix: string;
  readonly bias: string;
  readonly angles: Angles;
}

function decoderLayer(m: ModelBuilder, x: string, spec: DecoderSpec, parts: LayerParts): string {
  const { prefix } = parts;
  const around = spec.norms === 'around';
  const named = (name: string, value: string): string => norm(m, `${prefix}.${name}`, value, spec);
  let attended = attention(m, named('input_layernorm', x), spec, parts);
  if (around) attended = named('post_attention_layernorm', attended);
  const middle = m.graph.op('Add', [x, attended]);
  let fed = mlp(
    m,
    named(around ? 'pre_feedforward_layernorm' : 'post_attention_layernorm', middle),
    spec,
    prefix,
  );
  if (around) fed = named('post_feedforward_layernorm', fed);
  return m.graph.op('Add', [middle, fed]);
}

function attention(m: ModelBuilder, x: string, spec: DecoderSpec, parts: LayerParts): string {
  const { hidden, heads, bias } = spec;
  const prefix = `${parts.prefix}.self_attn`;
  const [wide, narrow] = [heads.count * heads.dim, heads.keyValue * heads.dim];
  const project = (name: string, out: number): string =>
    m.linear(`${prefix}.${name}`, x, { in: hidden, out, bias: bias.query });
  const [query = '', key = '', value = ''] = spec.fused
    ? splitLast(m, project('qkv_proj', wide + 2 * narrow), [wide, narrow, narrow])
    : [project('q_proj', wide), project('k_proj', narrow), project('v_proj', narrow)];
  const prepare = (which: 'q' | 'k') => (part: string) => {
    const { epsilon, normOffset: offset } = spec;
    const normed = spec.headNorms
      ? m.rmsNorm(`${prefix}.${which}_norm`, part, { size: heads.dim, epsilon, offset })
      : part;
    return rotate(m, normed, parts.angles, heads.dim);
  };
  const context = groupedAttention(m, {
    query,
    key,
    value,
    heads,
    bias: parts.bias,
    prepareQuery: prepare('q'),
    prepareKey: prepare('k'),
  });
  return m.linear(`${prefix}.o_proj`, context, { in: wide, out: hidden, bias: bias.output });
}

/** down(activation(gate(x)) · up(x)) (Shazeer, arXiv 2002.05202). */
function mlp(m: ModelBuilder, x: string, spec: DecoderSpec, layer: string): string {
  const { hidden, intermediate } = spec;
  const widen = (name: string, out: number): string =>
    m.linear(`${layer}.mlp.${name}`, x, { in: hidden, out, bias: spec.bias.mlp });
  const [gate = '', up = ''] = spec.fused
    ? splitLast(m, widen('gate_up_proj', 2 * intermediate), [intermediate, intermediate])
    : [widen('gate_proj', intermediate), widen('up_proj', intermediate)];
  const gated = m.graph.op('Mul', [activation(m, spec.activation, gate), up]);
  return m.linear(`${layer}.mlp.down_proj`, gated, { in: intermediate, out: hidden, bias: spec.bias.mlp });
}

function norm(m: ModelBuilder, name: string, x: string, spec: DecoderSpec): string {
  return m.rmsNorm(name, x, { size: spec.hidden, epsilon: spec.epsilon, offset: spec.normOffset });
}

function splitLast(m: ModelBuilder, x: string, sizes: readonly number[]): string[] {
  return m.graph.op('Split', [x, m.vector(sizes)], { axis: { kind: 'int', value: -1 } }, sizes.length);
}

/** The same result for the same argument, computed once. */
function remember<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>();
  return (key) => {
    const found = known.get(key) ?? make(key);
    known.set(key, found);
    return found;
  };
}
