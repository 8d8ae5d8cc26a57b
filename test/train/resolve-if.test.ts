import { describe, expect, it } from 'vitest';
import { int } from '../../src/train/ir/attributes.js';
import { GraphBuilder } from '../../src/train/ir/builder.js';
import { encodeModel } from '../../src/train/ir/codec.js';
import type { Graph, Model, Node } from '../../src/train/ir/graph.js';
import { int64Tensor, int64Vector, scalarTensor } from '../../src/train/ir/tensor-value.js';
import { openRuntime } from '../../src/train/ort.js';
import { withoutBranches } from '../../src/train/shapes/resolve-if.js';

const node = (
  op: string,
  inputs: string[],
  outputs: string[],
  attributes: Node['attributes'] = {},
): Node => ({
  op,
  domain: '',
  name: '',
  inputs,
  outputs,
  attributes,
});

const graphOf = (nodes: readonly Node[], output: string, initializers: Graph['initializers']): Graph => ({
  name: 'branch',
  nodes,
  initializers,
  inputs: [],
  outputs: [{ name: output, type: 'float', dims: [], unknownRank: true }],
});

/** x · 2, with names that the other branch has too. */
const scaled = (by: number, inner: readonly Node[] = []): Graph =>
  graphOf(
    [...inner, node('Mul', ['x', 'factor'], ['result'])],
    'result',
    new Map([['factor', scalarTensor('float', by)]]),
  );

const branches = (then: Graph, otherwise: Graph): Node['attributes'] => ({
  then_branch: { kind: 'graph', value: then },
  else_branch: { kind: 'graph', value: otherwise },
});

/** y = If(condition, 2 x, 3 x) of x [rows, 4]; `ask` makes the condition. */
function asking(ask: (builder: GraphBuilder) => string, then = scaled(2), otherwise = scaled(3)): Model {
  const builder = new GraphBuilder({ opset: 17 });
  builder.input('x', 'float', ['rows', 4]);
  builder.op('If', [ask(builder)], branches(then, otherwise), 'y');
  builder.output('y', 'float', ['rows', 4]);
  return builder.build();
}

/** Whether a dimension of x is a number. */
const isSize = (axis: number, size: number) => (builder: GraphBuilder) => {
  const at = builder.constant(int64Tensor([], [axis]));
  const extent = builder.op('Gather', [builder.op('Shape', ['x']), at], { axis: int(0) });
  return builder.op('Equal', [extent, builder.constant(int64Tensor([], [size]))]);
};

async function run(model: Model): Promise<number[]> {
  const runtime = await openRuntime(encodeModel(model));
  const data = Float32Array.of(1, 2, 3, 4);
  const { y } = await runtime.run({ x: { type: 'float', dims: [1, 4], data } }, ['y']);
  await runtime.close();
  return Array.from(y?.data ?? [], Number);
}

const ops = (model: Model): string[] => model.graph.nodes.map(({ op }) => op);

describe('an If that asks about sizes', () => {
  it.each([
    ['then', isSize(1, 4), [2, 4, 6, 8]],
    ['else', isSize(1, 1), [3, 6, 9, 12]],
  ] as const)('becomes its %s branch', async (_, ask, expected) => {
    const model = await withoutBranches(asking(ask));
    expect(ops(model)).not.toContain('If');
    expect(await run(model)).toEqual(expected);
  });

  it('inside another one, reading values of the branch around it', async () => {
    const inner = [
      node('Add', ['x', 'x'], ['twice']),
      node('Shape', ['twice'], ['shape']),
      node('Gather', ['shape', 'first'], ['rank'], { axis: int(0) }),
      node('Equal', ['rank', 'four'], ['is']),
      node(
        'If',
        ['is'],
        ['result'],
        branches(
          graphOf([node('Neg', ['twice'], ['result_in'])], 'result_in', new Map()),
          graphOf([node('Abs', ['twice'], ['result_in'])], 'result_in', new Map()),
        ),
      ),
    ];
    const outer = graphOf(
      inner,
      'result',
      new Map([
        ['first', int64Vector([1])],
        ['four', int64Vector([4])],
      ]),
    );
    const model = await withoutBranches(asking(isSize(1, 4), outer));
    expect(ops(model)).not.toContain('If');
    expect(await run(model)).toEqual([-2, -4, -6, -8]);
  });

  it.each([
    [
      'about what x holds',
      (builder: GraphBuilder) =>
        builder.op('Cast', [builder.op('ReduceMax', ['x'], { keepdims: int(0) })], { to: int(9) }),
    ],
    ['and answers by the number of rows', isSize(0, 3)],
  ] as const)('stays where it asks %s', async (_, ask) => {
    const model = asking(ask);
    expect(ops(await withoutBranches(model))).toEqual(ops(model));
  });
});
