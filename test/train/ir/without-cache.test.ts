import { describe, expect, it } from 'vitest';
import { int, ints } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import { encodeModel } from '../../../src/train/ir/codec.js';
import type { Dim, Model } from '../../../src/train/ir/graph.js';
import { normalizeModel } from '../../../src/train/ir/normalize.js';
import { int64Vector } from '../../../src/train/ir/tensor-value.js';
import { openRuntime } from '../../../src/train/ort.js';

const PAST: readonly Dim[] = ['batch_size', 1, 'past_sequence_length', 1];

/** As optimum exports decoders: y = (past keys, then the tokens as numbers) times the mask, [batch, 1, past + sequence, 1]. */
function decoder(past: readonly Dim[] = PAST, ids = 'input_ids'): Model {
  const builder = new GraphBuilder({ opset: 14 });
  builder.input(ids, 'int64', ['batch_size', 'sequence_length']);
  builder.input('attention_mask', 'int64', ['batch_size', 'past_sequence_length + sequence_length']);
  builder.input('past_key_values.0.key', 'float', past);
  const axes = builder.constant(int64Vector([1, 3]));
  const keys = builder.op('Unsqueeze', [builder.op('Cast', [ids], { to: int(1) }), axes]);
  const all = builder.op('Concat', ['past_key_values.0.key', keys], { axis: int(2) });
  const mask = builder.op('Unsqueeze', [builder.op('Cast', ['attention_mask'], { to: int(1) }), axes]);
  builder.output(builder.op('Mul', [all, mask], {}, 'y'), 'float', ['batch_size', 1, '', 1]);
  return builder.build();
}

describe('a key/value cache', () => {
  it('is empty: the model takes ids and mask of the same length', async () => {
    const model = normalizeModel(decoder());
    expect(model.graph.inputs).toEqual([
      { name: 'input_ids', type: 'int64', dims: ['batch_size', 'sequence_length'] },
      { name: 'attention_mask', type: 'int64', dims: ['batch_size', 'sequence_length'] },
    ]);
    const runtime = await openRuntime(encodeModel(model));
    const tensor = (...values: bigint[]) =>
      ({ type: 'int64', dims: [2, 3], data: BigInt64Array.from(values) }) as const;
    const feeds = {
      input_ids: tensor(5n, 6n, 7n, 8n, 9n, 1n),
      attention_mask: tensor(1n, 1n, 0n, 1n, 1n, 1n),
    };
    const { y } = await runtime.run(feeds, ['y']);
    await runtime.close();
    expect(y?.dims).toEqual([2, 1, 3, 1]);
    expect([...(y?.data ?? [])]).toEqual([5, 6, 0, 8, 9, 1]);
  });

  it('is left alone where there is none, and read again without a change', () => {
    const once = normalizeModel(decoder());
    expect(normalizeModel(once)).toEqual(once);
  });

  it.each<[string, Model, RegExp]>([
    [
      'a product of dimensions',
      decoder(['batch_size x heads', 1, 'past_length', 1]),
      /dimension 0 \(batch_size x heads\)/,
    ],
    ['no length', decoder(['batch_size', 1, 4, 1]), /none of its dimensions .*use_cache=False/],
    ['no ids', decoder(PAST, 'tokens'), /a cache \(past_key_values\.0\.key\) but no input_ids/],
  ])('is refused with %s', (_, model, why) => {
    expect(() => normalizeModel(model)).toThrow(why);
  });
});

/** optimum's merged decoders: one branch with the cache, one without. */
it('use_cache_branch takes the branch without a cache', async () => {
  const branch = (scale: number) => {
    const inner = new GraphBuilder({ opset: 14 });
    // Names that the graph outside and the other branch use as well.
    inner.initializer('scale', int64Vector([scale]));
    const graph = inner.graph();
    return {
      ...graph,
      nodes: [
        {
          op: 'Mul',
          domain: '',
          name: 'node',
          inputs: ['input_ids', 'scale'],
          outputs: ['y'],
          attributes: {},
        },
      ],
      outputs: [{ name: 'y', type: 'int64' as const, dims: ['', ''] }],
    };
  };
  const builder = new GraphBuilder({ opset: 14 });
  builder.input('input_ids', 'int64', ['batch_size', 'sequence_length']);
  builder.input('use_cache_branch', 'bool', [1]);
  builder.op(
    'If',
    ['use_cache_branch'],
    {
      then_branch: { kind: 'graph', value: branch(2) },
      else_branch: { kind: 'graph', value: branch(3) },
    },
    'y',
  );
  builder.op('Transpose', ['y'], { perm: ints([1, 0]) }, 'z');
  builder.output('z', 'int64', ['', '']);
  const model = normalizeModel(builder.build());
  expect(model.graph.inputs.map(({ name }) => name)).toEqual(['input_ids']);
  expect(model.graph.nodes.map(({ op }) => op)).toEqual(['Mul', 'Identity', 'Transpose']);
  const runtime = await openRuntime(encodeModel(model));
  const { z } = await runtime.run(
    { input_ids: { type: 'int64', dims: [1, 2], data: BigInt64Array.of(4n, 5n) } },
    ['z'],
  );
  await runtime.close();
  expect([...(z?.data ?? [])]).toEqual([12n, 15n]);
});
