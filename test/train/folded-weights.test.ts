import { describe, expect, it } from 'vitest';
import { int } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import type { Model } from '../../src/train/ir/graph.js';
import { floatTensor, int64Vector } from '../../src/train/ir/tensor-value.js';
import { checkFoldedWeights, findFoldedWeights } from '../../src/train/folded-weights.js';
import { findModules } from '../../src/train/find-modules.js';

const [HEADS, DEPTH, POSITIONS] = [2, 3, 4];
const STACK = Float32Array.from({ length: HEADS * DEPTH * POSITIONS }, (_, i) => i);

interface Attending {
  /** Name of what the queries are multiplied by. */
  readonly name: string;
  /** From the initializer (or what else) to [heads, depth, positions]. */
  readonly keys?: (builder: GraphBuilder, stack: string, x: string) => string;
  readonly dims?: readonly number[];
  readonly op?: string;
}

/** logits = heads(x · w) · keys: what is left of attention to relative positions. */
function attending({ name, keys, dims = [HEADS, DEPTH, POSITIONS], op = 'MatMul' }: Attending): Model {
  const builder = new GraphBuilder({ opset: 18 });
  builder.input('x', 'float', ['rows', 5]);
  const wide = HEADS * DEPTH;
  const weight = builder.initializer('w', floatTensor([5, wide], new Float32Array(5 * wide)));
  const product = builder.op('MatMul', ['x', weight]);
  const split = builder.op('Reshape', [product, builder.constant(int64Vector([-1, HEADS, 1, DEPTH]))]);
  const stack = builder.initializer(name, floatTensor(dims, STACK));
  builder.op(op, [split, keys?.(builder, stack, split) ?? stack], {}, 'logits');
  builder.output('logits', 'float', ['rows', HEADS, 1, POSITIONS]);
  return builder.build();
}

const adaptable = (model: Model): string[] => findModules(model).map(({ weight }) => weight.initializer);
const found = (model: Model): string[] =>
  findFoldedWeights(model, adaptable(model)).map(({ initializer }) => initializer);

describe('findFoldedWeights', () => {
  it.each(['MatMul', 'com.microsoft::FusedMatMul', 'Einsum'])('finds a stack of matrices behind %s', (op) => {
    expect(found(attending({ name: 'view_9', op }))).toEqual(['view_9']);
  });

  it.each(['val_60', 'onnx::MatMul_388', '/inner/layer.0/self/Expand_1_output_0'])(
    'knows %s for no parameter',
    (name) => {
      expect(found(attending({ name }))).toEqual([name]);
    },
  );

  it('follows what lays the numbers out by the size of what is trained', () => {
    const model = attending({
      name: 'val_3',
      dims: [HEADS, POSITIONS, DEPTH],
      keys: (builder, stack, x) => {
        const rows = builder.op('Slice', [
          builder.op('Shape', [x]),
          builder.constant(int64Vector([0])),
          builder.constant(int64Vector([1])),
        ]);
        const once = builder.op('Concat', [rows, builder.constant(int64Vector([1, 1, 1]))], { axis: int(0) });
        const tiled = builder.op('Tile', [
          builder.op('Unsqueeze', [stack, builder.constant(int64Vector([0]))]),
          once,
        ]);
        return builder.op('Transpose', [tiled], {
          perm: { kind: 'ints', value: [0, 1, 3, 2] },
        });
      },
    });
    expect(found(model)).toEqual(['val_3']);
  });

  it('leaves parameters by their names, what the graph computes, and vectors', () => {
    expect(found(attending({ name: 'layers.0.experts.up' }))).toEqual([]);
    const computed = attending({
      name: 'val_3',
      keys: (builder, stack) => builder.op('Tanh', [stack]),
    });
    expect(found(computed)).toEqual([]);
    const builder = new GraphBuilder({ opset: 18 });
    const positions = builder.initializer('val_1', floatTensor([4, 5], new Float32Array(20)));
    const weight = builder.initializer('w', floatTensor([5, 3], new Float32Array(15)));
    builder.op('MatMul', [positions, weight], {}, 'logits');
    builder.output('logits', 'float', [4, 3]);
    expect(found(builder.build())).toEqual([]);
    const vector = attending({
      name: 'val_3',
      dims: [1, HEADS * DEPTH * POSITIONS, 1],
    });
    expect(found(vector)).toEqual([]);
  });

  it('leaves a product that no trained weight reaches', () => {
    expect(findFoldedWeights(attending({ name: 'val_3' }), [])).toEqual([]);
  });

  it('leaves what the checkpoint holds, however it lies', () => {
    const model = attending({ name: 'val_3' });
    const reference = (values: Float32Array): NonNullable<Parameters<typeof findFoldedWeights>[2]> => ({
      reference: { names: ['experts'], shape: () => [values.length], read: () => values },
    });
    expect(findFoldedWeights(model, ['w'], reference(Float32Array.from(STACK).reverse()))).toEqual([]);
    expect(() => {
      checkFoldedWeights(model, ['w'], reference(STACK.map((value) => value + 1)));
    }).toThrow(/no linear layer's weight and no tensor of the checkpoint/);
  });
});

describe('checkFoldedWeights', () => {
  it('says which constant, where, and what to give instead', () => {
    const model = attending({ name: 'view_9' });
    expect(() => {
      checkFoldedWeights(model, ['w']);
    }).toThrow(
      expect.objectContaining({
        code: 'model_unsupported',
        message: expect.stringMatching(
          /the constant view_9 \[2, 3, 4\], .*give the export as it was before it was optimized; .*checkpoint/,
        ) as string,
      }),
    );
  });
});
