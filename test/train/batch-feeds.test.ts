import { expect, it } from 'vitest';
import { batchFeeds } from '../../src/train/batch-feeds.js';
import type { ElementType } from '../../src/train/ir/graph.js';
import { LABELS } from '../../src/train/training-graph.js';

const batch = {
  inputs: { attention_mask: { dims: [1, 3], data: BigInt64Array.of(1n, 1n, 0n) } },
  labels: { dims: [1], data: BigInt64Array.of(1n) },
};
const kind = { classes: 2, loss: 'cross-entropy' } as const;
const feeds = (type: ElementType) =>
  batchFeeds([{ name: 'attention_mask', type, dims: ['batch', 'sequence'] }], batch, kind);

it.each([
  ['int64', BigInt64Array.of(1n, 1n, 0n)],
  ['int32', Int32Array.of(1, 1, 0)],
  ['float', Float32Array.of(1, 1, 0)],
  ['bool', Uint8Array.of(1, 1, 0)],
] as const)('a mask of type %s', (type, data) => {
  const fed = feeds(type);
  expect(fed.attention_mask).toEqual({ type, dims: [1, 3], data });
  expect(fed[LABELS]).toEqual({ type: 'int64', dims: [1], data: BigInt64Array.of(1n) });
});

it('other types are refused by name', () => {
  expect(() => feeds('float16')).toThrow(
    /input attention_mask has type float16; inputs can be int64, int32, float, bool/,
  );
});
