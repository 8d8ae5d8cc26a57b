import { int, ints } from '../../train/ir/attributes.js';
import type { ModelBuilder } from '../model-builder.js';

export interface Heads {
  readonly count: number;
  /** Heads of keys and values; `count` is a multiple of it. */
  readonly keyValue: number;
  readonly dim: number;
  /** What the scores are multiplied by, usually 1 / √dim. */
  readonly scale: number;
  /** cap · tanh(scores / cap) before the mask. */
  readonly cap?: number | undefined;
}

export interface GroupedAttention {
  /** batch × sequence × (count · dim) */
  readonly query: string;
  /** batch × sequence × (keyValue · dim) */
  readonly key: string;
  readonly value: string;
  readonly heads: Heads;
  /** batch × 1 × sequence × sequence */
  readonly bias: string;
  /** What happens to queries and keys by head, batch × heads × sequence × dim: norms, rotation. */
  readonly prepareQuery?: (x: string) => string;
  readonly prepareKey?: (x: string) => string;
}

const asItIs = (x: string): string => x;

/**
 * Causal attention in which groups of heads share keys and values (Ainslie et al., arXiv 2305.13245): batch × sequence ×
 * (count · dim). The queries of a group stand below each other as rows of one matrix, so keys and values are never
 * copied, and their gradients are one product instead of a sum over the group.
 */
export function groupedAttention(m: ModelBuilder, options: GroupedAttention): string {
  const g = m.graph;
  const { heads, prepareQuery = asItIs, prepareKey = asItIs } = options;
  const { count, keyValue, dim, scale, cap } = heads;
  const group = count / keyValue;
  const split = (x: string, number: number): string =>
    g.op('Transpose', [g.op('Reshape', [x, m.vector([0, 0, number, dim])])], { perm: ints([0, 2, 1, 3]) });
  const reshape = (x: string, shape: readonly number[]): string => g.op('Reshape', [x, m.vector(shape)]);
  const turned = prepareQuery(split(options.query, count));
  // The scale goes to the queries: they are smaller than the scores.
  const query = scale === 1 ? turned : g.op('Mul', [turned, m.scalar(scale)]);
  const key = g.op('Transpose', [prepareKey(split(options.key, keyValue))], { perm: ints([0, 1, 3, 2]) });
  const value = split(options.value, keyValue);

  // Heads 0 … group − 1 share key/value head 0, and so on: neighbours, so that grouping is a reshape.
  const rows = group === 1 ? query : reshape(query, [0, keyValue, -1, dim]);
  const scores = g.op('MatMul', [rows, key]);
  const byHead = group === 1 ? scores : g.op('Reshape', [scores, shapeOfScores(m, count)]);
  const capped = cap === undefined ? byHead : softCap(m, byHead, cap);
  const weights = g.op('Softmax', [g.op('Add', [capped, options.bias])], { axis: int(-1) });
  const grouped = group === 1 ? weights : g.op('Reshape', [weights, shapeOfGroups(m, keyValue)]);
  const context = g.op('MatMul', [grouped, value]);
  // batch × keyValue × (group · sequence) × dim → batch × count × sequence × dim
  const single = group === 1 ? context : g.op('Reshape', [context, shapeOfContext(m, count, dim)]);
  return reshape(g.op('Transpose', [single], { perm: ints([0, 2, 1, 3]) }), [0, 0, count * dim]);
}

/** cap · tanh(x / cap): scores stay within ± cap (Gemma 2, arXiv 2408.00118, section 2). */
export function softCap(m: ModelBuilder, x: string, cap: number): string {
  const g = m.graph;
  return g.op('Mul', [g.op('Tanh', [g.op('Mul', [x, m.scalar(1 / cap)])]), m.scalar(cap)]);
}

function sequenceLength(m: ModelBuilder): string {
  return m.graph.op('Shape', ['input_ids'], { start: int(1), end: int(2) });
}

/** batch (as it is), and then the numbers given; −1 stands for the sequence. */
function shaped(m: ModelBuilder, ...sizes: readonly number[]): string {
  const length = sequenceLength(m);
  const parts = [m.vector([0]), ...sizes.map((size) => (size === -1 ? length : m.vector([size])))];
  return m.graph.op('Concat', parts, { axis: int(0) });
}

const shapeOfScores = (m: ModelBuilder, count: number): string => shaped(m, count, -1, -1);
const shapeOfContext = (m: ModelBuilder, count: number, dim: number): string => shaped(m, count, -1, dim);

/** batch × keyValue × (group · sequence) × sequence: the product is what is left over. */
function shapeOfGroups(m: ModelBuilder, keyValue: number): string {
  const parts = [m.vector([0]), m.vector([keyValue]), m.vector([-1]), sequenceLength(m)];
  return m.graph.op('Concat', parts, { axis: int(0) });
}
