import type { NodeView } from '../autodiff/node-view.js';
import { attend, causal } from './attend.js';
import { scaleOf } from './attention-contrib.js';
import { columns, fixed, mergeHeads, splitHeads, type Shaped } from './heads.js';
import { rotaryEmbedding, rotate, tableRows, type Rotation } from './rotary.js';
import { CONTRIB, type Rewrite, type RewriteRule } from './rule.js';

/** Inputs of GroupQueryAttention by name. */
const INPUT = {
  query: 0,
  key: 1,
  value: 2,
  pastKey: 3,
  pastValue: 4,
  lengths: 5,
  cos: 7,
  sin: 8,
  positions: 9,
  bias: 10,
  sink: 11,
  firstUnknown: 12,
} as const;

/** Query, key and value [batch, heads, sequence, size]; packed ones lie side by side in the query. */
function projections(view: NodeView): readonly [Shaped, Shaped, Shaped] {
  const [heads, keyHeads] = [view.int('num_heads', 0), view.int('kv_num_heads', 0)];
  const value = (input: number): Shaped => ({ name: view.x(input), dims: view.xDims(input) });
  const query = value(INPUT.query);
  if (view.has(INPUT.key))
    return [
      splitHeads(view, query, heads),
      splitHeads(view, value(INPUT.key), keyHeads),
      splitHeads(view, value(INPUT.value), keyHeads),
    ];
  const size = fixed(view, query.dims[2], 'the width of packed queries') / (heads + 2 * keyHeads);
  const part = (from: number, count: number): Shaped =>
    splitHeads(view, columns(view.emit, query, from * size, count * size), count);
  return [part(0, heads), part(heads, keyHeads), part(heads + keyHeads, keyHeads)];
}

function rotation(view: NodeView, q: Shaped): Rotation {
  const { emit } = view;
  const sequence = emit.dim(q.name, q.dims, 2);
  const positions = view.has(INPUT.positions)
    ? view.x(INPUT.positions)
    : emit.unsqueeze(emit.range(sequence), [0]);
  const half = fixed(view, view.xDims(INPUT.cos)[1], 'the width of the cosines');
  return {
    cos: tableRows(view, view.x(INPUT.cos), positions),
    sin: tableRows(view, view.x(INPUT.sin), positions),
    size: 2 * half,
    interleaved: view.int('rotary_interleaved', 0) === 1,
  };
}

/**
 * com.microsoft GroupQueryAttention over a whole prompt (no past): causal, keys up to seqlens_k of their row. Outputs y, present_key,
 * present_value.
 */
const groupQueryAttention: Rewrite = (view) => {
  const { emit } = view;
  for (const past of [INPUT.pastKey, INPUT.pastValue])
    if (view.has(past) && view.xDims(past)[2] !== 0)
      view.refuse('a past (key/value cache); export the model without one');
  if (view.has(INPUT.sink) || view.int('smooth_softmax', 0) === 1)
    view.refuse('attention sinks (smooth_softmax)');
  if (view.node.inputs.slice(INPUT.firstUnknown).some((input) => input !== ''))
    view.refuse('inputs after head_sink (quantized caches, norms of queries and keys)');
  if ((view.node.outputs[3] ?? '') !== '') view.refuse('the scores as an output (output_qk)');
  const [plainQ, plainK, v] = projections(view);
  const turn = view.int('do_rotary', 0) === 1 ? rotation(view, plainQ) : undefined;
  const q = turn === undefined ? plainQ : rotate(view, plainQ, turn);
  const k = turn === undefined ? plainK : rotate(view, plainK, turn);
  const lengths = view.x(INPUT.lengths);
  const last = view.type(lengths) === 'int64' ? lengths : emit.cast(lengths, 'int64');
  const flat = emit.op('Reshape', [last, emit.vector([-1])]);
  const seen = emit.op('Not', [
    emit.op('Less', [
      emit.unsqueeze(flat, [1, 2, 3]),
      emit.unsqueeze(emit.range(emit.dim(k.name, k.dims, 2)), [0]),
    ]),
  ]);
  const window = Math.max(view.int('local_window_size', -1), 0);
  const y = attend(view, {
    q,
    k,
    v,
    scale: scaleOf(view, fixed(view, q.dims[3], 'the head size')),
    softcap: view.float('softcap', 0),
    biases: view.has(INPUT.bias) ? [view.x(INPUT.bias)] : [],
    allowed: [causal(view, q, k, undefined, window), seen],
  });
  return [mergeHeads(emit, y), k.name, v.name];
};

/** com.microsoft RotaryEmbedding: inputs x, position_ids ([1]: the first position, or [batch, sequence]), cos_cache, sin_cache. */
const rotary: Rewrite = (view) => {
  const { emit } = view;
  if (view.int('is_packed_batching', 0) === 1) view.refuse('is_packed_batching');
  if (view.float('scale', 1) !== 1) view.refuse('a scale other than 1');
  const ids = view.x(1);
  const axis = view.xDims(0).length === 4 ? 2 : 1;
  const positions =
    view.xDims(1).length === 2
      ? ids
      : emit.unsqueeze(emit.add(emit.range(emit.dim(view.x(0), view.xDims(0), axis)), ids), [0]);
  return rotaryEmbedding(view, {
    cos: tableRows(view, view.x(2), positions),
    sin: tableRows(view, view.x(3), positions),
    half: fixed(view, view.xDims(2).at(-1), 'the width of the cosines'),
  });
};

export const groupedAttentionRewrites: readonly RewriteRule[] = [
  {
    op: 'GroupQueryAttention',
    domain: CONTRIB,
    versions: [1],
    rewrite: groupQueryAttention,
    refuses: [
      'a past (key/value cache) that is not empty',
      'attention sinks (smooth_softmax, head_sink)',
      'quantized caches, norms of queries and keys',
      'the scores as an output (output_qk)',
    ],
  },
  {
    op: 'RotaryEmbedding',
    domain: CONTRIB,
    versions: [1],
    rewrite: rotary,
    refuses: ['is_packed_batching', 'a scale other than 1'],
  },
];
