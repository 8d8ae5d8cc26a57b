import { expect, it } from 'vitest';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import type { Model } from '../../../src/train/ir/graph.js';
import { floatTensor, int64Tensor } from '../../../src/train/ir/tensor-value.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';

/** A row of the table for each place of the sequence, looked up by a Range, whose length inference cannot tell. */
function positions(rows: number): Model {
  const builder = new GraphBuilder({ opset: 18 });
  builder.input('ids', 'int64', ['batch', 'sequence']);
  const scalar = (value: number): string => builder.constant(int64Tensor([], [value]));
  const row = builder.op('Gather', ['ids', scalar(0)]);
  const count = builder.op(
    'ReduceSum',
    [builder.op('Add', [builder.op('Mul', [row, scalar(0)]), scalar(1)])],
    {
      keepdims: { kind: 'int', value: 0 },
    },
  );
  const range = builder.op('Range', [scalar(0), count, scalar(1)]);
  const table = builder.initializer('table', floatTensor([rows, 2], new Float32Array(2 * rows)));
  builder.op('Gather', [table, range], {}, 'places');
  builder.output('places', 'float', ['sequence', 2]);
  return builder.build();
}

it.each([16, 6])('finds the shapes of a model with %d positions', async (rows) => {
  expect((await probeTypes(positions(rows))).dims('places')).toEqual(['sequence', 2]);
});

it('says what is wrong with a model that runs at none of its sizes', async () => {
  await expect(probeTypes(positions(2))).rejects.toMatchObject({
    code: 'model_unsupported',
    message: expect.stringMatching(/Gather.*idx=/) as string,
  });
});
