import { int } from '../ir/attributes.js';
import type { NodeView } from '../autodiff/node-view.js';
import { fixed, lowest, regroup, type Shaped } from './heads.js';

export interface AttentionParts {
  /** [batch, heads, queries, size] */
  readonly q: Shaped;
  /** [batch, key heads, keys, size]; heads is a multiple of key heads. */
  readonly k: Shaped;
  /** [batch, key heads, keys, value size] */
  readonly v: Shaped;
  readonly scale: number;
  /** Scores are softcap · tanh(scores / softcap) where it is above 0. */
  readonly softcap: number;
  /** Added to the scores; broadcastable to [batch, heads, queries, keys]. */
  readonly biases: readonly string[];
  /** Booleans, all of which must be true for a key to be seen; broadcastable as the biases. */
  readonly allowed: readonly string[];
}

/**
 * softmax(scale · q kᵀ + bias) v as [batch, heads, queries, value size] (Vaswani et al., arXiv 1706.03762, section 3.2.1). Where several
 * heads share a key head (arXiv 2305.13245), their queries are put one below the other, so that keys and values are not repeated.
 */
export function attend(view: NodeView, { q, k, v, scale, softcap, ...masks }: AttentionParts): Shaped {
  const { emit } = view;
  const type = view.type(view.x(0));
  const heads = fixed(view, q.dims[1], 'the number of heads');
  const keyHeads = fixed(view, k.dims[1], 'the number of key heads');
  if (heads % keyHeads !== 0) view.refuse(`${heads} heads cannot share ${keyHeads} key heads in equal parts`);
  const grouped = heads !== keyHeads;
  const [size, valueSize] = [
    fixed(view, q.dims[3], 'the head size'),
    fixed(view, v.dims[3], 'the head size of the values'),
  ];
  const queries = emit.dim(q.name, q.dims, 2);
  const keys = emit.dim(k.name, k.dims, 2);
  const rows = grouped ? regroup(emit, q.name, [0, keyHeads, -1, size]) : q.name;

  const raw = emit.matmul(rows, k.name, { type, ranks: [4, 4], transB: true, alpha: scale });
  let scores = grouped ? regroup(emit, raw, [0, heads, queries, -1]) : raw;
  if (softcap > 0) {
    const cap = emit.scalar(type, softcap);
    scores = emit.mul(emit.op('Tanh', [emit.div(scores, cap)]), cap);
  }
  const bias = maskBias(view, masks);
  if (bias !== undefined) scores = emit.add(scores, bias);
  const weights = emit.op('Softmax', [scores], { axis: int(-1) });
  const flat = grouped ? regroup(emit, weights, [0, keyHeads, -1, keys]) : weights;
  const context = emit.op('MatMul', [flat, v.name]);
  return {
    name: grouped ? regroup(emit, context, [0, heads, queries, valueSize]) : context,
    dims: [q.dims[0] ?? '', heads, q.dims[2] ?? '', valueSize],
  };
}

/** One addend for the scores, or none: its gradient costs nothing, whereas a Where over the scores would. */
function maskBias(
  view: NodeView,
  { biases, allowed }: Pick<AttentionParts, 'biases' | 'allowed'>,
): string | undefined {
  const { emit } = view;
  const type = view.type(view.x(0));
  const bias = biases.length === 0 ? undefined : biases.reduce((sum, next) => emit.add(sum, next));
  if (allowed.length === 0) return bias;
  const seen = allowed.reduce((all, next) => emit.op('And', [all, next]));
  return emit.op('Where', [seen, bias ?? emit.scalar(type, 0), emit.scalar(type, lowest(type))]);
}

/** Positions 0, 1, … of a dimension, in the shape [size, 1] for queries or [1, size] for keys. */
function positions(view: NodeView, { name, dims }: Shaped, of: 'queries' | 'keys'): string {
  const { emit } = view;
  return emit.unsqueeze(emit.range(emit.dim(name, dims, 2)), [of === 'queries' ? 1 : 0]);
}

/**
 * Query i sees keys up to i + offset; with a window only the last `window` of them. `offset` is an int64 vector of one: how many keys
 * lie before the first query.
 */
export function causal(view: NodeView, q: Shaped, k: Shaped, offset?: string, window = 0): string {
  const { emit } = view;
  const own = positions(view, q, 'queries');
  const query = offset === undefined ? own : emit.add(own, offset);
  const key = positions(view, k, 'keys');
  const past = emit.op('Not', [emit.op('Less', [query, key])]);
  if (window <= 0) return past;
  const near = emit.op('Less', [emit.sub(query, key), emit.scalar('int64', window)]);
  return emit.op('And', [past, near]);
}

/** Keys below a length by batch; `lengths` is [batch] of any integer type. Shape [batch, 1, 1, keys]. */
export function within(view: NodeView, lengths: string, k: Shaped): string {
  const { emit } = view;
  const wide = view.type(lengths) === 'int64' ? lengths : emit.cast(lengths, 'int64');
  return emit.op('Less', [positions(view, k, 'keys'), emit.unsqueeze(wide, [1, 2, 3])]);
}
