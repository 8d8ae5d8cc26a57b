import { attend, causal, within } from './attend.js';
import { concat, fixed, mergeHeads, splitHeads, type Shaped } from './heads.js';
import { rotaryEmbedding, tableRows } from './rotary.js';
import type { Rewrite, RewriteRule } from './rule.js';

/**
 * ai.onnx Attention (opset 23 and 24): inputs Q, K, V, attn_mask, past_key, past_value, nonpad_kv_seqlen; [batch, sequence, hidden]
 * or [batch, heads, sequence, size]. Outputs Y, present_key, present_value.
 */
const attention: Rewrite = (view) => {
  const { emit } = view;
  if ((view.node.outputs[3] ?? '') !== '') view.refuse('the scores as an output (qk_matmul_output)');
  const flat = view.xDims(0).length === 3;
  const part = (input: number, heads: number): Shaped => {
    const value = { name: view.x(input), dims: view.xDims(input) };
    return flat ? splitHeads(view, value, heads) : value;
  };
  const keyHeads = view.int('kv_num_heads', 0);
  const q = part(0, view.int('q_num_heads', 0));
  const withPast = (own: Shaped, past: number): Shaped =>
    view.has(past)
      ? {
          name: concat(emit, [view.x(past), own.name], 2),
          dims: [own.dims[0] ?? '', own.dims[1] ?? '', `${view.x(past)}+`, own.dims[3] ?? ''],
        }
      : own;
  const [k, v] = [withPast(part(1, keyHeads), 4), withPast(part(2, keyHeads), 5)];
  const allowed: string[] = [];
  const biases: string[] = [];
  if (view.has(3)) (view.type(view.x(3)) === 'bool' ? allowed : biases).push(view.x(3));
  if (view.int('is_causal', 0) === 1)
    allowed.push(causal(view, q, k, view.has(4) ? emit.dim(view.x(4), view.xDims(4), 2) : undefined));
  if (view.has(6)) allowed.push(within(view, view.x(6), k));
  const size = fixed(view, q.dims[3], 'the head size');
  const y = attend(view, {
    q,
    k,
    v,
    scale: view.attribute('scale', 'float') ?? 1 / Math.sqrt(size),
    softcap: view.float('softcap', 0),
    biases,
    allowed,
  });
  return [flat ? mergeHeads(emit, y) : y.name, k.name, v.name];
};

/** ai.onnx RotaryEmbedding (opset 23): inputs X, cos_cache, sin_cache and, where the caches are tables, position_ids. */
const rotary: Rewrite = (view) => {
  const table = view.has(3);
  const at = (input: number): string => (table ? tableRows(view, view.x(input), view.x(3)) : view.x(input));
  return rotaryEmbedding(view, {
    cos: at(1),
    sin: at(2),
    half: fixed(view, view.xDims(1).at(-1), 'the width of the cosines'),
  });
};

export const onnxAttentionRewrites: readonly RewriteRule[] = [
  {
    op: 'Attention',
    versions: [23, 24],
    rewrite: attention,
    refuses: ['the scores as an output (qk_matmul_output)'],
  },
  { op: 'RotaryEmbedding', versions: [23], rewrite: rotary },
];
