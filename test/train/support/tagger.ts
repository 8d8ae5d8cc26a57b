import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { int } from '../../../src/train/ir/attributes.js';
import { saveModel } from '../../../src/train/ir/files.js';
import { floatTensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import type { Batch, LoraSite } from '../../../src/train/session-types.js';
import type { NamedTensor } from '../../../src/tensor/tensor.js';
import { numbers, tokenGraph } from './token-graph.js';

const VOCABULARY = 13;
const WIDTH = 8;

/**
 * A small token model in a new folder: embedding, two layers that mix positions under attention_mask, a head. `pooled`: logits
 * [batch, outputs] from the masked mean, else [batch, sequence, outputs].
 */
export function saveTagger(outputs: number, pooled: boolean): string {
  const { builder, mask, weight } = tokenGraph();
  const tokens = builder.op('Add', [
    builder.op('ReduceSum', [mask, builder.constant(int64Vector([1]))], { keepdims: int(1) }),
    builder.constant(floatTensor([], [0])),
  ]);
  const mean = (x: string): string =>
    builder.op('Div', [
      builder.op('ReduceSum', [builder.op('Mul', [x, mask]), builder.constant(int64Vector([1]))], {
        keepdims: int(1),
      }),
      tokens,
    ]);
  let x = builder.op('Gather', [weight('embedding', [VOCABULARY, WIDTH]), 'input_ids']);
  for (const layer of ['below', 'above']) {
    const mixed = builder.op('Add', [x, mean(x)]);
    x = builder.op('Tanh', [builder.op('MatMul', [mixed, weight(`${layer}.weight`, [WIDTH, WIDTH])])]);
  }
  if (pooled) x = builder.op('Squeeze', [mean(x), builder.constant(int64Vector([1]))]);
  builder.op('MatMul', [x, weight('head.weight', [WIDTH, outputs])], {}, 'logits');
  builder.output('logits', 'float', pooled ? ['batch', outputs] : ['batch', 'sequence', outputs]);
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-tagger-'));
  saveModel(builder.build(), folder);
  return folder;
}

export function site(layer: 'below' | 'above'): LoraSite {
  return {
    module: {
      name: layer,
      in: WIDTH,
      out: WIDTH,
      weight: { initializer: `${layer}.weight`, layout: 'in_out' },
    },
    rank: 2,
    scale: 2,
  };
}

/** Rows of different lengths, padded on the right to `sequence`. */
export function inputsOf(lengths: readonly number[], sequence: number, seed = 0): Batch['inputs'] {
  const dims = [lengths.length, sequence];
  const at = (f: (row: number, position: number) => number): BigInt64Array =>
    BigInt64Array.from({ length: lengths.length * sequence }, (_, i) =>
      BigInt(f(Math.floor(i / sequence), i % sequence)),
    );
  const kept = (row: number, position: number): boolean => position < (lengths[row] ?? 0);
  return {
    input_ids: {
      dims,
      data: at((row, position) => (kept(row, position) ? 1 + ((row * 5 + position * 3 + seed) % 12) : 0)),
    },
    attention_mask: { dims, data: at((row, position) => (kept(row, position) ? 1 : 0)) },
  };
}

export function factors(
  parameters: readonly { readonly name: string; readonly shape: readonly number[] }[],
): NamedTensor[] {
  return parameters.map(({ name, shape }, i) => ({ name, shape, data: numbers(70 + i, shape) }));
}
