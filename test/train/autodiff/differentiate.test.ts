import { describe, expect, it } from 'vitest';
import { inlineConstants } from '../../../src/train/autodiff/constants.js';
import { differentiate } from '../../../src/train/autodiff/differentiate.js';
import { findRule, NEWEST_OPSET, RULES } from '../../../src/train/autodiff/table.js';
import { int } from '../../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../../src/train/ir/builder.js';
import type { ElementType, Model } from '../../../src/train/ir/graph.js';
import { doubleTensor, int64Vector } from '../../../src/train/ir/tensor-value.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { checkGradient } from '../support/finite-differences.js';

async function opsEmitted(model: Model, output: string, wanted: readonly string[]): Promise<string[]> {
  const builder = GraphBuilder.from(model);
  const seed = builder.input('seed', 'double', []);
  differentiate({
    model,
    builder,
    types: await probeTypes(model),
    constants: inlineConstants(model.graph),
    seeds: new Map([[output, seed]]),
    wanted,
  });
  return builder
    .build()
    .graph.nodes.slice(model.graph.nodes.length)
    .map(({ op }) => op);
}

describe('the walker', () => {
  it('adds up the gradients of a value that is used several times', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (b) =>
        b.op('Add', [b.op('Mul', ['x', b.op('Exp', ['x'])]), b.op('Sub', ['x', b.op('Tanh', ['x'])])]),
    });
  });

  it('emits nothing beside the path from a wanted value to the seed', async () => {
    const builder = new GraphBuilder();
    for (const name of ['x', 'z']) builder.input(name, 'double', [2, 2]);
    const side = builder.op('Sigmoid', [builder.op('Exp', ['z'])]);
    const y = builder.op('Mul', [builder.op('Tanh', ['x']), side]);
    builder.op('Softmax', [y]);
    const ops = await opsEmitted(builder.build(), y, ['x']);
    expect(ops).toEqual(['Mul', 'Mul', 'Sub', 'Mul']);
  });

  it('lets values that are not floating point end a path', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (b) => {
        const count = b.op('Cast', [b.op('Cast', ['x'], { to: int(7) })], { to: int(11) });
        return b.op('Add', [b.op('Mul', ['x', 'x']), b.op('Mul', [b.op('Floor', ['x']), count])]);
      },
    });
  });

  it('names op, node and opset of what it cannot differentiate', async () => {
    const builder = new GraphBuilder({ opset: 17 });
    builder.input('x', 'double', [2, 2]);
    builder.op('ReduceProd', ['x'], { keepdims: int(0) }, 'product');
    await expect(opsEmitted(builder.build(), 'product', ['x'])).rejects.toMatchObject({
      code: 'op_unsupported',
      message: 'ReduceProd node "product" (opset 17 of ai.onnx): no gradient is known for this operator',
    });
  });

  it('refuses a training-mode Dropout and axes that are computed', async () => {
    const builder = new GraphBuilder({ opset: 17 });
    builder.input('x', 'double', [2, 2]);
    const axis = builder.op('Shape', [builder.constant(doubleTensor([1], [0]))]);
    const y = builder.op('ReduceSum', ['x', axis]);
    await expect(opsEmitted(builder.build(), y, ['x'])).rejects.toThrow(
      /ReduceSum node .*computed at run time/,
    );
  });
});

describe('the table', () => {
  const node = (op: string): Parameters<typeof findRule>[0] => ({
    op,
    domain: '',
    name: 'n',
    inputs: [],
    outputs: [],
    attributes: {},
  });

  it('lists no version of an operator twice', () => {
    const keys = RULES.flatMap(({ op, domain = '', versions }) =>
      versions.map((version) => `${domain}::${op}-${version}`),
    );
    expect(new Set(keys).size).toBe(keys.length);
    for (const { versions } of RULES) expect(versions).toEqual([...versions].sort((a, b) => a - b));
  });

  it('takes the newest version that the opset includes', () => {
    expect(findRule(node('Softmax'), new Map([['', 12]])).version).toBe(11);
    expect(findRule(node('Softmax'), new Map([['', 18]])).version).toBe(13);
    expect(() => findRule(node('LayerNormalization'), new Map([['', NEWEST_OPSET + 1]]))).toThrow(
      /up to opset/,
    );
    expect(() => findRule(node('Gelu'), new Map([['', 17]]))).toThrow(/this old/);
  });
});

describe('shape probing', () => {
  it('tells fixed dimensions from run-time ones, also where inference alone cannot', async () => {
    const builder = new GraphBuilder({ opset: 17 });
    builder.input('x', 'float', ['batch', 'sequence', 8]);
    const shape = builder.op('Shape', ['x'], {}, 'shape');
    const size = builder.op('ReduceProd', [shape], { keepdims: int(1) }, 'size');
    builder.op('Reshape', ['x', builder.constant(int64Vector([0, 0, 2, 4]))], {}, 'split');
    builder.op('Reshape', ['x', builder.constant(int64Vector([-1, 8]))], {}, 'rows');
    builder.op('Expand', [builder.constant(doubleTensor([], [1])), size], {}, 'all');
    builder.op('Squeeze', [size], {}, 'scalar');
    const types = await probeTypes(builder.build());
    const seen = (name: string): readonly [ElementType, ...(number | string)[]] => [
      types.type(name),
      ...types.dims(name),
    ];
    expect(seen('split')).toEqual(['float', 'batch', 'sequence', 2, 4]);
    expect(seen('rows')).toEqual(['float', 'batch*sequence', 8]);
    expect(seen('all')).toEqual(['double', '8*batch*sequence']);
    expect(seen('scalar')).toEqual(['int64']);
    expect(() => types.type('nothing')).toThrow(/was not inferred/);
  });
});
