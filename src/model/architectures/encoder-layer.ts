import { FedrotError } from '../../errors.js';
import { int, ints } from '../../train/ir/attributes.js';
import { activation } from '../activations.js';
import { elementTypeCode } from '../../train/ir/element-type.js';
import type { ModelBuilder } from '../model-builder.js';

/** Sizes of one layer. */
export interface LayerShape {
  readonly hidden: number;
  readonly heads: number;
  readonly intermediate: number;
  readonly activation: string;
  readonly epsilon: number;
}

/** What a layer's modules are called, behind the layer's own prefix. */
export interface LayerNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly attentionOutput: string;
  readonly attentionNorm: string;
  readonly intermediate: string;
  readonly output: string;
  readonly outputNorm: string;
}

/** As BERT, RoBERTa and ELECTRA call them. */
export const BERT_LAYER: LayerNames = {
  query: 'attention.self.query',
  key: 'attention.self.key',
  value: 'attention.self.value',
  attentionOutput: 'attention.output.dense',
  attentionNorm: 'attention.output.LayerNorm',
  intermediate: 'intermediate.dense',
  output: 'output.dense',
  outputNorm: 'output.LayerNorm',
};

export interface EncoderOptions {
  /** `layer.3.` of layer 3 for instance. */
  readonly prefix: (layer: number) => string;
  readonly names: LayerNames;
  readonly layers: number;
  readonly shape: LayerShape;
  /** batch × 1 × 1 × sequence, to be added to attention scores: see attentionBias. */
  readonly bias: string;
  /**
   * `first` where only the first token's result is used (a classifier on it): the last layer then asks only
   * for that row, which saves most of its work and changes nothing else.
   */
  readonly rows: 'all' | 'first';
}

/** The most negative float32, as transformers masks scores (torch.finfo(float32).min). */
export const MASKED = -3.4028234663852886e38;

/**
 * 0 where attention_mask (int64, batch × sequence) is 1, the most negative float32 where it is 0: batch × 1 ×
 * 1 × sequence.
 */
export function attentionBias(m: ModelBuilder, attentionMask: string): string {
  const g = m.graph;
  const mask = g.op('Unsqueeze', [
    g.op('Cast', [attentionMask], { to: int(elementTypeCode('float')) }),
    m.vector([1, 2]),
  ]);
  return g.op('Mul', [g.op('Sub', [m.scalar(1), mask]), m.scalar(MASKED)]);
}

/** The first token of every row: batch × 1 × hidden. */
function firstToken(m: ModelBuilder, x: string): string {
  return m.graph.op('Slice', [x, m.vector([0]), m.vector([1]), m.vector([1])]);
}

/**
 * All layers of a post-norm transformer encoder (Vaswani et al., arXiv 1706.03762; Devlin et al., arXiv
 * 1810.04805).
 */
export function encoder(m: ModelBuilder, embedded: string, options: EncoderOptions): string {
  const { hidden, heads } = options.shape;
  if (hidden % heads !== 0)
    throw new FedrotError(
      'file_invalid',
      `config.json: hidden size ${hidden} is not a multiple of the number of attention heads ${heads}`,
    );
  let x = embedded;
  for (let layer = 0; layer < options.layers; layer++)
    x = encoderLayer(m, x, options, layer, options.rows === 'first' && layer === options.layers - 1);
  return x;
}

function encoderLayer(
  m: ModelBuilder,
  x: string,
  { prefix, names, shape, bias }: EncoderOptions,
  layer: number,
  firstOnly: boolean,
): string {
  const { hidden, intermediate, epsilon } = shape;
  const name = (module: keyof LayerNames): string => prefix(layer) + names[module];
  const residual = firstOnly ? firstToken(m, x) : x;
  const context = attention(m, { rows: residual, all: x, bias, shape, name });
  const attended = m.linear(name('attentionOutput'), context, { in: hidden, out: hidden });
  const middle = m.layerNorm(name('attentionNorm'), m.graph.op('Add', [attended, residual]), hidden, epsilon);
  const wide = m.linear(name('intermediate'), middle, { in: hidden, out: intermediate });
  const narrow = m.linear(name('output'), activation(m, shape.activation, wide), {
    in: intermediate,
    out: hidden,
  });
  return m.layerNorm(name('outputNorm'), m.graph.op('Add', [narrow, middle]), hidden, epsilon);
}

interface AttentionOptions {
  /** Where the queries come from. */
  readonly rows: string;
  /** Where keys and values come from. */
  readonly all: string;
  readonly bias: string;
  readonly shape: LayerShape;
  readonly name: (module: keyof LayerNames) => string;
}

/** softmax(Q Kᵀ / √d + bias) V by heads, put side by side again: batch × rows × hidden. */
function attention(m: ModelBuilder, { rows, all, bias, shape, name }: AttentionOptions): string {
  const g = m.graph;
  const { hidden, heads } = shape;
  const size = { in: hidden, out: hidden };
  const split = m.vector([0, 0, heads, hidden / heads]);
  const byHead = (x: string, perm: readonly number[]): string =>
    g.op('Transpose', [g.op('Reshape', [x, split])], { perm: ints(perm) });
  // The scale goes to the queries: they are smaller than the scores.
  const query = g.op('Mul', [m.linear(name('query'), rows, size), m.scalar(1 / Math.sqrt(hidden / heads))]);
  const key = m.linear(name('key'), all, size);
  const value = m.linear(name('value'), all, size);
  const scores = g.op('MatMul', [byHead(query, [0, 2, 1, 3]), byHead(key, [0, 2, 3, 1])]);
  const weights = g.op('Softmax', [g.op('Add', [scores, bias])], { axis: int(-1) });
  const context = g.op('MatMul', [weights, byHead(value, [0, 2, 1, 3])]);
  return g.op('Reshape', [
    g.op('Transpose', [context], { perm: ints([0, 2, 1, 3]) }),
    m.vector([0, 0, hidden]),
  ]);
}
