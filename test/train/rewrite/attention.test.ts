import { describe, it } from 'vitest';
import { float, int, ints } from '../../../src/train/ir/attributes.js';
import { checkRewrite, type Operand } from './support.js';

const [B, S, T, H, KV, D] = [3, 5, 7, 4, 2, 8];
const mask = (dims: readonly number[], keep: (at: number) => boolean, type: Operand['type']): Operand => ({
  dims,
  type: type ?? 'bool',
  data: Array.from({ length: dims.reduce((a, b) => a * b, 1) }, (_, i) => (keep(i) ? 1 : 0)),
});

describe('ai.onnx Attention', () => {
  const onnx = { op: 'Attention', opset: 23 };
  const flat = {
    q: { dims: [B, S, H * D] },
    k: { dims: [B, T, KV * D] },
    v: { dims: [B, T, KV * D] },
  };
  const heads = { q_num_heads: int(H), kv_num_heads: int(KV) };
  const full = {
    q: { dims: [B, H, S, D] },
    k: { dims: [B, KV, T, D] },
    v: { dims: [B, KV, T, D] },
  };

  it('of flat and split heads, shared keys, with and without scale', async () => {
    await checkRewrite({ ...onnx, attributes: heads, inputs: [flat.q, flat.k, flat.v] });
    await checkRewrite({
      ...onnx,
      attributes: { ...heads, scale: float(0.3) },
      inputs: [flat.q, flat.k, flat.v],
    });
    await checkRewrite({ ...onnx, inputs: [full.q, full.k, full.v] });
    await checkRewrite({
      ...onnx,
      inputs: [full.q, { dims: [B, H, T, D] }, { dims: [B, H, T, 6] }],
    });
  });

  it.each([[[S, T]], [[B, 1, S, T]], [[B, H, S, T]], [[1, 1, S, T]]])('with a mask of %j', async (dims) => {
    // Every query keeps a key: rows without one are the exporter's and runtime's own business.
    await checkRewrite({
      ...onnx,
      inputs: [full.q, full.k, full.v, mask(dims, (i) => i % 7 === 0 || i % 3 !== 0, 'bool')],
    });
    await checkRewrite({ ...onnx, inputs: [full.q, full.k, full.v, { dims }] });
  });

  it('causal, capped, and both with a mask', async () => {
    const own = [full.q, { dims: [B, KV, S, D] }, { dims: [B, KV, S, D] }];
    await checkRewrite({ ...onnx, attributes: { is_causal: int(1) }, inputs: own });
    await checkRewrite({ ...onnx, attributes: { softcap: float(0.7) }, inputs: own });
    await checkRewrite({
      ...onnx,
      attributes: { is_causal: int(1) },
      inputs: [...own, mask([B, 1, S, S], (i) => i % 5 === 0 || i % 3 !== 0, 'bool')],
    });
    await checkRewrite({
      ...onnx,
      attributes: { is_causal: int(1) },
      inputs: [...own, { dims: [B, 1, S, S] }],
    });
  });

  it('with a past', async () => {
    const past = { dims: [B, KV, 7, D] };
    const own = { dims: [B, KV, S, D] };
    await checkRewrite({
      ...onnx,
      inputs: [full.q, own, own, undefined, past, past],
      outputs: [0, 1, 2],
    });
  });
});

describe('RotaryEmbedding', () => {
  for (const interleaved of [0, 1]) {
    it(`of ai.onnx, interleaved ${interleaved}`, async () => {
      const onnx = { op: 'RotaryEmbedding', opset: 23 };
      const x = { dims: [B, H, S, D] };
      const ids: Operand = {
        dims: [B, S],
        type: 'int64',
        data: Array.from({ length: B * S }, (_, i) => (i * 3) % 17),
      };
      const table = (size: number): Operand => ({ dims: [17, size], fixed: true });
      const rows = { dims: [B, S, D / 2] };
      const attributes = { interleaved: int(interleaved) };
      await checkRewrite({ ...onnx, attributes, inputs: [x, rows, rows] });
      await checkRewrite({ ...onnx, attributes, inputs: [x, table(4), table(4), ids] });
      await checkRewrite({
        ...onnx,
        attributes: { ...attributes, rotary_embedding_dim: int(4) },
        inputs: [x, table(2), table(2), ids],
      });
      await checkRewrite({
        ...onnx,
        attributes: { ...attributes, num_heads: int(H) },
        inputs: [{ dims: [B, S, H * D] }, table(4), table(4), ids],
      });
    });

    it(`of com.microsoft, interleaved ${interleaved}`, async () => {
      const contrib = { op: 'RotaryEmbedding', domain: 'com.microsoft' };
      const table = (size: number): Operand => ({ dims: [17, size], fixed: true });
      const ids: Operand = {
        dims: [B, S],
        type: 'int64',
        data: Array.from({ length: B * S }, (_, i) => (i * 3) % 17),
      };
      const first: Operand = { dims: [1], type: 'int64', data: [4] };
      const attributes = { interleaved: int(interleaved) };
      for (const positions of [ids, first]) {
        await checkRewrite({
          ...contrib,
          attributes,
          inputs: [{ dims: [B, H, S, D] }, positions, table(4), table(4)],
        });
        await checkRewrite({
          ...contrib,
          attributes,
          inputs: [{ dims: [B, S, H * D] }, positions, table(4), table(4)],
        });
      }
      await checkRewrite({
        ...contrib,
        attributes: { ...attributes, rotary_embedding_dim: int(4), num_heads: int(H) },
        inputs: [{ dims: [B, S, H * D] }, ids, table(2), table(2)],
      });
    });
  }
});

describe('com.microsoft Attention', () => {
  const contrib = { op: 'Attention', domain: 'com.microsoft' };
  const heads = { num_heads: int(H) };
  const x = { dims: [B, S, 10] };
  const w = { dims: [10, 3 * H * D], fixed: true };
  const b = { dims: [3 * H * D], fixed: true };

  it('with a scale, causal', async () => {
    await checkRewrite({ ...contrib, attributes: heads, inputs: [x, w, b] });
    await checkRewrite({ ...contrib, attributes: { ...heads, scale: float(0.2) }, inputs: [x, w, b] });
    await checkRewrite({ ...contrib, attributes: { ...heads, unidirectional: int(1) }, inputs: [x, w, b] });
  });

  it('with every kind of mask', async () => {
    const masks: Operand[] = [
      mask([B, S], (i) => i % S < 3, 'int32'),
      mask([B, S, S], (i) => i % S < 3, 'int32'),
      { dims: [B], type: 'int32', data: [3, 5, 4] },
    ];
    for (const each of masks) await checkRewrite({ ...contrib, attributes: heads, inputs: [x, w, b, each] });
  });

  it('with a bias on the scores, values of another size, a past', async () => {
    await checkRewrite({
      ...contrib,
      attributes: heads,
      inputs: [x, w, b, undefined, undefined, { dims: [1, H, S, S] }],
    });
    await checkRewrite({
      ...contrib,
      attributes: { ...heads, qkv_hidden_sizes: ints([H * D, H * D, H * 3]) },
      inputs: [x, { dims: [10, H * (2 * D + 3)], fixed: true }, { dims: [H * (2 * D + 3)], fixed: true }],
    });
    for (const unidirectional of [0, 1])
      await checkRewrite({
        ...contrib,
        attributes: { ...heads, unidirectional: int(unidirectional) },
        inputs: [x, w, b, undefined, { dims: [2, B, H, 7, D] }],
        outputs: [0, 1],
      });
  });
});

describe('com.microsoft MultiHeadAttention', () => {
  const contrib = { op: 'MultiHeadAttention', domain: 'com.microsoft', attributes: { num_heads: int(H) } };
  const q = { dims: [B, S, H * D] };
  const kv = { dims: [B, T, H * D] };

  it('in all its forms of inputs', async () => {
    await checkRewrite({ ...contrib, inputs: [q, kv, kv] });
    await checkRewrite({ ...contrib, inputs: [q, kv, kv, { dims: [3 * H * D], fixed: true }] });
    await checkRewrite({ ...contrib, inputs: [q, { dims: [B, H, T, D] }, { dims: [B, H, T, D] }] });
  });

  it('with masks, a bias on the scores, causal, a past', async () => {
    const own = [q, q, q] as const;
    for (const each of [mask([B, S], (i) => i % S < 3, 'int32'), mask([B, S, S], (i) => i % S < 3, 'int32')])
      await checkRewrite({ ...contrib, inputs: [...own, undefined, each] });
    await checkRewrite({ ...contrib, inputs: [...own, undefined, undefined, { dims: [B, 1, S, S] }] });
    await checkRewrite({
      ...contrib,
      attributes: { num_heads: int(H), unidirectional: int(1), scale: float(0.4) },
      inputs: own,
    });
    const past = { dims: [B, H, 7, D] };
    await checkRewrite({
      ...contrib,
      inputs: [...own, undefined, undefined, undefined, past, past],
      outputs: [0, 1, 2],
    });
  });
});

describe('com.microsoft GroupQueryAttention', () => {
  const attributes = { num_heads: int(H), kv_num_heads: int(KV) };
  const contrib = { op: 'GroupQueryAttention', domain: 'com.microsoft' };
  // ONNX Runtime's kernel wants head sizes that are multiples of 16 where it rotates.
  const size = 16;
  const q = { dims: [B, S, H * size] };
  const kv = { dims: [B, S, KV * size] };
  const lengths: Operand = { dims: [B], type: 'int32', data: [S - 1, S - 1, S - 1] };
  const total: Operand = { dims: [1], type: 'int32', data: [S], fixed: true };
  const table: Operand = { dims: [16, size / 2], fixed: true };
  const base = [q, kv, kv, undefined, undefined, lengths, total] as const;
  const outputs = [0, 1, 2];

  it('plain, packed, with a window, a cap and a scale', async () => {
    await checkRewrite({ ...contrib, attributes, inputs: base, outputs });
    await checkRewrite({
      ...contrib,
      attributes,
      inputs: [
        { dims: [B, S, (H + 2 * KV) * size] },
        undefined,
        undefined,
        undefined,
        undefined,
        lengths,
        total,
      ],
      outputs,
    });
    for (const window of [1, 2, 3, 10])
      await checkRewrite({
        ...contrib,
        attributes: { ...attributes, local_window_size: int(window) },
        inputs: base,
        outputs,
      });
    await checkRewrite({
      ...contrib,
      attributes: { ...attributes, softcap: float(0.6), scale: float(0.5) },
      inputs: base,
      outputs,
    });
  });

  it('rotates queries and keys', async () => {
    for (const interleaved of [0, 1])
      await checkRewrite({
        ...contrib,
        attributes: { ...attributes, do_rotary: int(1), rotary_interleaved: int(interleaved) },
        inputs: [...base, table, table],
        outputs,
      });
  });

  it('with rows of different lengths: padded queries do not count', async () => {
    const rows: Operand = { dims: [B], type: 'int32', data: [2, 4, 4] };
    await checkRewrite({
      ...contrib,
      attributes,
      inputs: [q, kv, kv, undefined, undefined, rows, total],
      outputs: [0, 1, 2],
      counts: (at) => {
        const row = Math.floor(at / (H * size));
        return row >= S || row <= 2;
      },
    });
  });
});
