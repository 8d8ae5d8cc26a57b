import { int } from '../ir/attributes.js';
import type { NodeView } from '../autodiff/node-view.js';
import { attend, causal, within } from './attend.js';
import { columns, concat, fixed, mergeHeads, splitHeads, type Shaped } from './heads.js';
import { CONTRIB, type Rewrite, type RewriteRule } from './rule.js';

/** 1 / √size where the attribute is left out or 0. */
export function scaleOf(view: NodeView, size: number): number {
  const given = view.attribute('scale', 'float') ?? 0;
  return given === 0 ? 1 / Math.sqrt(size) : given;
}

/** mask_filter_value where `seen` is false, else 0. */
function filterBias(view: NodeView, seen: string): string {
  const type = view.type(view.x(0));
  return view.emit.op('Where', [
    seen,
    view.emit.scalar(type, 0),
    view.emit.scalar(type, view.float('mask_filter_value', -10000)),
  ]);
}

/** Every form that mask_index (Attention) and key_padding_mask (MultiHeadAttention) may have, as an addend to the scores. */
function keyMask(view: NodeView, input: number, batch: Shaped, k: Shaped): string {
  const { emit } = view;
  const mask = view.x(input);
  const dims = view.xDims(input);
  const one = emit.scalar(view.type(mask) === 'int64' ? 'int64' : 'int32', 1);
  const seen = (): string => emit.op('Not', [emit.op('Less', [mask, one])]);
  if (dims.length === 2) return filterBias(view, emit.unsqueeze(seen(), [1, 2]));
  if (dims.length === 3) return filterBias(view, emit.unsqueeze(seen(), [1]));
  if (dims.length === 1 && dims[0] === batch.dims[0]) return filterBias(view, within(view, mask, k));
  return view.refuse(
    `a mask of shape [${dims.join(', ')}]; supported are [batch], [batch, keys] and [batch, queries, keys]`,
  );
}

/** past (if there is one) before own, along the sequence. */
function prepend(view: NodeView, past: string | undefined, own: Shaped): Shaped {
  if (past === undefined) return own;
  const dims = own.dims.map((extent, axis) => (axis === 2 ? `${past}+` : extent));
  return { name: concat(view.emit, [past, own.name], 2), dims };
}

/** com.microsoft Attention: x W + b gives q, k and v side by side. Inputs x, W, b, mask_index, past, attention_bias. */
const attention: Rewrite = (view) => {
  const { emit } = view;
  if (view.int('do_rotary', 0) === 1) view.refuse('do_rotary');
  if (view.int('past_present_share_buffer', 0) === 1) view.refuse('past_present_share_buffer');
  const heads = view.int('num_heads', 0);
  const total = fixed(view, view.xDims(1)[1], 'the width of the merged weight');
  const [qSize = total / 3, kSize = total / 3, vSize = total / 3] =
    view.attribute('qkv_hidden_sizes', 'ints') ?? [];
  const product = emit.op('MatMul', [view.x(0), view.x(1)]);
  const qkv: Shaped = {
    name: view.has(2) ? emit.add(product, view.x(2)) : product,
    dims: [...view.xDims(0).slice(0, 2), total],
  };
  const q = splitHeads(view, columns(emit, qkv, 0, qSize), heads);
  const ownK = splitHeads(view, columns(emit, qkv, qSize, kSize), heads);
  const ownV = splitHeads(view, columns(emit, qkv, qSize + kSize, vSize), heads);
  const past = (which: number): string | undefined =>
    view.has(4) ? emit.op('Gather', [view.x(4), emit.scalar('int64', which)], { axis: int(0) }) : undefined;
  const [k, v] = [prepend(view, past(0), ownK), prepend(view, past(1), ownV)];
  const biases: string[] = [];
  if (view.has(3)) biases.push(keyMask(view, 3, qkv, k));
  if (view.has(5)) biases.push(view.x(5));
  const offset = view.has(4) ? emit.dim(view.x(4), view.xDims(4), 3) : undefined;
  const y = attend(view, {
    q,
    k,
    v,
    scale: scaleOf(view, qSize / heads),
    softcap: 0,
    biases,
    allowed: view.int('unidirectional', 0) === 1 ? [causal(view, q, k, offset)] : [],
  });
  const present =
    (view.node.outputs[1] ?? '') === ''
      ? undefined
      : concat(emit, [emit.unsqueeze(k.name, [0]), emit.unsqueeze(v.name, [0])], 0);
  return [mergeHeads(emit, y), present];
};

/** Query, key and value of MultiHeadAttention in each of the forms that its inputs may have. */
function projections(view: NodeView, heads: number): readonly [Shaped, Shaped, Shaped] {
  const { emit } = view;
  const value = (input: number): Shaped => ({ name: view.x(input), dims: view.xDims(input) });
  const first = value(0);
  const bias = (from: number, x: Shaped): Shaped => {
    if (!view.has(3)) return x;
    const width = fixed(view, x.dims[2], 'a hidden size');
    const part = columns(emit, value(3), from, width);
    return { ...x, name: emit.add(x.name, part.name) };
  };
  if (first.dims.length !== 3 || !view.has(1) || view.xDims(1).length === 5)
    return view.refuse('packed inputs, which ONNX Runtime has no CPU kernel for');
  const hidden = fixed(view, first.dims[2], 'the hidden size');
  const q = splitHeads(view, bias(0, first), heads);
  const key = value(1);
  if (key.dims.length === 4) return [q, key, value(2)];
  return [q, splitHeads(view, bias(hidden, key), heads), splitHeads(view, bias(2 * hidden, value(2)), heads)];
}

/**
 * com.microsoft MultiHeadAttention: inputs query, key, value, bias, key_padding_mask, attention_bias, past_key, past_value. Outputs y,
 * present_key, present_value.
 */
const multiHeadAttention: Rewrite = (view) => {
  const { emit } = view;
  if (view.has(8) || view.has(9)) view.refuse('a shared key/value buffer');
  if ((view.node.outputs[3] ?? '') !== '') view.refuse('the scores as an output (qk)');
  const [q, ownK, ownV] = projections(view, view.int('num_heads', 0));
  const past = (input: number): string | undefined => (view.has(input) ? view.x(input) : undefined);
  const [k, v] = [prepend(view, past(6), ownK), prepend(view, past(7), ownV)];
  const biases: string[] = [];
  if (view.has(4)) biases.push(keyMask(view, 4, q, k));
  if (view.has(5)) biases.push(view.x(5));
  const offset = view.has(6) ? emit.dim(view.x(6), view.xDims(6), 2) : undefined;
  const y = attend(view, {
    q,
    k,
    v,
    scale: scaleOf(view, fixed(view, q.dims[3], 'the head size')),
    softcap: 0,
    biases,
    allowed: view.int('unidirectional', 0) === 1 ? [causal(view, q, k, offset)] : [],
  });
  return [mergeHeads(emit, y), k.name, v.name];
};

export const contribAttentionRewrites: readonly RewriteRule[] = [
  {
    op: 'Attention',
    domain: CONTRIB,
    versions: [1],
    rewrite: attention,
    refuses: ['do_rotary', 'past_present_share_buffer', 'masks of 4 dimensions or of [3 · batch + 2]'],
  },
  {
    op: 'MultiHeadAttention',
    domain: CONTRIB,
    versions: [1],
    rewrite: multiHeadAttention,
    refuses: [
      'packed queries, keys or values',
      'a shared key/value buffer',
      'masks of [3 · batch + 2]',
      'the scores as an output (qk)',
    ],
  },
];
