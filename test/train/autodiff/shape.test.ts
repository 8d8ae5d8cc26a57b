import { describe, it } from 'vitest';
import { shapeRules } from '../../../src/train/autodiff/rules/shape.js';
import { int, ints, string } from '../../../src/train/ir/attributes.js';
import type { GraphBuilder } from '../../../src/train/ir/builder.js';
import { boolTensor, doubleTensor, int64Tensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets, sayableAt } from '../support/finite-differences.js';
import { uniform } from '../support/random.js';
import { coversRules } from '../support/rule-coverage.js';

const vector = (builder: GraphBuilder, values: readonly number[]): string =>
  builder.constant(int64Vector(values));

/** Squares what comes out, so that a gradient in the wrong place shows in more than its sum. */
const squared = (builder: GraphBuilder, value: string): string => builder.op('Mul', [value, value]);

describe('ops that only move numbers', () => {
  it.each([
    [
      [2, 3, 4],
      [6, 4],
    ],
    [
      [2, 3, 4],
      [0, -1],
    ],
    [[2, 3], [-1]],
    [[1], []],
    [
      [2, 0, 3],
      [6, 0],
    ],
  ])('Reshape %j to %j', async (dims, shape) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, builder.op('Reshape', ['x', vector(builder, shape)])),
      opsets: claimedOpsets('Reshape'),
      fixed: true,
    });
  });

  it('Reshape with a run-time batch', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3, 4] } },
      build: (builder) => {
        const shape = builder.op('Shape', ['x']);
        const batch = builder.op('Gather', [shape, vector(builder, [0])], { axis: int(0) });
        const target = builder.op('Concat', [batch, vector(builder, [-1])], { axis: int(0) });
        return squared(builder, builder.op('Reshape', ['x', target]));
      },
      opsets: claimedOpsets('Reshape'),
    });
  });

  it.each([
    [
      [2, 3],
      [1, 0],
    ],
    [
      [2, 3, 4],
      [2, 0, 1],
    ],
    [
      [2, 3, 4, 1],
      [0, 2, 1, 3],
    ],
    [
      [2, 0, 3],
      [1, 2, 0],
    ],
  ])('Transpose %j by %j', async (dims, perm) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, builder.op('Transpose', ['x'], { perm: ints(perm) })),
      opsets: claimedOpsets('Transpose'),
    });
  });

  it('Transpose without perm reverses all dimensions', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3, 4] } },
      build: (builder) => squared(builder, builder.op('Transpose', ['x'])),
      opsets: claimedOpsets('Transpose'),
    });
  });

  it.each([
    [[0], [1, 3, 1]],
    [[-2], [2, 1, 3]],
    [
      [0, 2],
      [1, 3, 1],
    ],
    [undefined, [1, 3, 1]],
    [[0], [1, 0]],
  ])('Squeeze %j of %j', async (axes, dims) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => {
        const attribute = builder.opset < 13 && axes !== undefined ? { axes: ints(axes) } : {};
        const inputs = builder.opset >= 13 && axes !== undefined ? ['x', vector(builder, axes)] : ['x'];
        return squared(builder, builder.op('Squeeze', inputs, attribute));
      },
      opsets: claimedOpsets('Squeeze').filter(sayableAt(dims)),
    });
  });

  it.each([
    [[0], [2, 3]],
    [[-1], [2, 3]],
    [
      [0, 3],
      [2, 3],
    ],
    [[1], [1, 0]],
  ])('Unsqueeze %j of %j', async (axes, dims) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) =>
        squared(
          builder,
          builder.opset >= 13
            ? builder.op('Unsqueeze', ['x', vector(builder, axes)])
            : builder.op('Unsqueeze', ['x'], { axes: ints(axes) }),
        ),
      opsets: claimedOpsets('Unsqueeze').filter(sayableAt(dims)),
    });
  });

  it.each([0, 1, 2, -1])('Flatten from axis %d', async (axis) => {
    for (const dims of [
      [2, 3, 4],
      [2, 1, 4],
      [0, 3, 4],
    ])
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => squared(builder, builder.op('Flatten', ['x'], { axis: int(axis) })),
        opsets: claimedOpsets('Flatten').filter(sayableAt(dims)),
      });
  });

  it.each([
    [[3], [2, 3]],
    [
      [2, 1, 3],
      [1, 4, 1],
    ],
    [[1], [2, 2]],
    [[], [2]],
    [
      [1, 3],
      [0, 3],
    ],
    [
      [0, 3],
      [2, 1, 1],
    ],
  ])('Expand %j to %j', async (dims, shape) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, builder.op('Expand', ['x', vector(builder, shape)])),
      opsets: claimedOpsets('Expand'),
      fixed: true,
    });
  });

  it('Expand to the run-time shape of another value', async () => {
    await checkGradient({
      inputs: { x: { dims: [1, 3] }, like: { dims: [2, 4, 3] } },
      build: (builder) => {
        const wide = builder.op('Expand', ['x', builder.op('Shape', ['like'])]);
        return builder.op('Mul', [squared(builder, wide), 'like']);
      },
      opsets: claimedOpsets('Expand'),
    });
  });

  it.each([
    [
      [2, 1, 3],
      [2, 3, 2],
    ],
    [
      [1, 2, 2],
      [2, 3, 2],
    ],
    [
      [3, 2],
      [1, 2],
    ],
    [
      [2, 2],
      [0, 2],
    ],
  ])('Tile by %j of %j', async (repeats, dims) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, builder.op('Tile', ['x', vector(builder, repeats)])),
      opsets: [...claimedOpsets('Tile'), 14].filter(sayableAt(dims)),
    });
  });

  it.each([0, 1, -1])('Concat along axis %d', async (axis) => {
    const size = (n: number): number[] => [2, 3, 4].map((dim, i) => (i === (axis + 3) % 3 ? n : dim));
    await checkGradient({
      inputs: { a: { dims: size(1) }, b: { dims: size(5) }, c: { dims: size(0) } },
      build: (builder) => squared(builder, builder.op('Concat', ['a', 'b', 'c', 'b'], { axis: int(axis) })),
      opsets: claimedOpsets('Concat'),
    });
  });

  it.each([1, -1])('Split along axis %d into unequal parts, one of them unused', async (axis) => {
    for (const rows of [2, 1, 0])
      await checkGradient({
        inputs: { x: { dims: [rows, 6] } },
        build: (builder) => {
          const sizes = [1, 2, 3];
          const parts =
            builder.opset >= 13
              ? builder.op('Split', ['x', vector(builder, sizes)], { axis: int(axis) }, 3)
              : builder.op('Split', ['x'], { axis: int(axis), split: ints(sizes) }, 3);
          return builder.op('Concat', [squared(builder, parts[2] ?? ''), parts[0] ?? ''], {
            axis: int(axis),
          });
        },
        opsets: claimedOpsets('Split'),
        fixed: true,
      });
  });

  it('Split with num_outputs, the last part smaller', async () => {
    await checkGradient({
      inputs: { x: { dims: [5, 2] } },
      build: (builder) => {
        const parts = builder.op('Split', ['x'], { axis: int(0), num_outputs: int(2) }, 2);
        return squared(builder, parts[1] ?? '');
      },
      opsets: [18],
    });
  });

  it('Split of values whose other sizes are known at run time only', async () => {
    await checkGradient({
      inputs: { x: { dims: [5, 1] } },
      build: (builder) => {
        const weight = doubleTensor([4], uniform(9, 4));
        const wide = builder.op('Mul', ['x', builder.constant(weight)]);
        const attributes = { axis: int(-1), ...(builder.opset >= 18 && { num_outputs: int(2) }) };
        const parts = builder.op('Split', [wide], attributes, 2);
        return builder.op('Mul', [parts[0] ?? '', parts[1] ?? '']);
      },
      opsets: claimedOpsets('Split'),
    });
  });

  it.each([
    [[1, 0, 2, 0], undefined],
    [[0, 3, 0, 1], undefined],
    [[2, 1], [1]],
    [[2, 1], [-2]],
  ])('Pad by %j on axes %j', async (pads, axes) => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (builder) => {
        const inputs = ['x', vector(builder, pads), builder.constant(doubleTensor([], [0.5]))];
        if (axes !== undefined) inputs.push(vector(builder, axes));
        return squared(builder, builder.op('Pad', inputs));
      },
      opsets: claimedOpsets('Pad').filter((opset) => axes === undefined || opset >= 18),
    });
  });

  it.each([
    [1, 3],
    [0, 3],
  ])('Pad of [%d, %d]', async (...dims) => {
    await checkGradient({
      inputs: { x: { dims } },
      build: (builder) => squared(builder, builder.op('Pad', ['x', vector(builder, [1, 0, 0, 2])])),
      opsets: claimedOpsets('Pad'),
    });
  });

  it.each([
    [0, 1],
    [1, 0],
    [-1, 1],
  ])('Trilu with k %d, upper %d', async (k, upper) => {
    for (const dims of [
      [2, 3, 4],
      [1, 3],
      [0, 3, 3],
    ])
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) =>
          squared(
            builder,
            builder.op('Trilu', ['x', builder.constant(int64Tensor([], [k]))], { upper: int(upper) }),
          ),
        opsets: claimedOpsets('Trilu'),
      });
  });

  it('Identity, Dropout for inference, and Cast between floating types', async () => {
    for (const dims of [[2, 3], [1], [0, 2]]) {
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => squared(builder, builder.op('Identity', ['x'])),
        opsets: claimedOpsets('Identity'),
      });
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => squared(builder, builder.op('Dropout', ['x'])),
        opsets: claimedOpsets('Dropout'),
      });
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) =>
          squared(builder, builder.op('Dropout', ['x', '', builder.constant(boolTensor([], [false]))])),
        opsets: claimedOpsets('Dropout').filter((opset) => opset >= 12),
      });
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => squared(builder, builder.op('Cast', ['x'], { to: int(11) })),
        opsets: claimedOpsets('Cast'),
      });
      await checkGradient({
        inputs: { x: { dims }, like: { dims: [1] } },
        build: (builder) => {
          const cast = builder.op('CastLike', ['x', 'like']);
          return builder.op('Add', [squared(builder, cast), 'like']);
        },
        opsets: claimedOpsets('CastLike'),
      });
    }
  });

  it('refuses a padding mode that it does not know', async () => {
    const { expect } = await import('vitest');
    await expect(
      checkGradient({
        inputs: { x: { dims: [2, 3] } },
        build: (builder) =>
          builder.op('Pad', ['x', vector(builder, [0, 1, 0, 1])], { mode: string('reflect') }),
      }),
    ).rejects.toThrow(/Pad node .*mode "reflect"/);
  });
});

coversRules([...shapeRules]);
