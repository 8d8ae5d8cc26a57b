import { describe, it } from 'vitest';
import { elementwiseRules } from '../../../src/train/autodiff/rules/elementwise.js';
import { trigonometricRules } from '../../../src/train/autodiff/rules/trigonometric.js';
import { activationRules } from '../../../src/train/autodiff/rules/activation.js';
import { float, string } from '../../../src/train/ir/attributes.js';
import { boolTensor, doubleTensor, int64Tensor } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets, type Operand } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

const positive = [0.5, 2] as const;

/** Shapes of two operands: equal, broadcast from both sides, against a scalar, with size 1, empty. */
const PAIRS: readonly (readonly [readonly number[], readonly number[]])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [[2, 3], [3]],
  [
    [4, 1, 3],
    [2, 1],
  ],
  [[2, 3], []],
  [[], [2, 2]],
  [[1], [1, 1]],
  [[0, 3], [3]],
];

describe('binary operators', () => {
  for (const op of ['Add', 'Sub', 'Mul', 'Div', 'Pow'])
    it.each(PAIRS)(`${op} of %j and %j`, async (a, b) => {
      const range = op === 'Div' || op === 'Pow' ? positive : ([-1, 1] as const);
      await checkGradient({
        inputs: { a: { dims: a, range }, b: { dims: b, range } },
        build: (builder) => builder.op(op, ['a', 'b']),
        opsets: claimedOpsets(op),
      });
    });

  it.each([0.5, 1, 2, 3, -1])('Pow with the constant exponent %d', async (exponent) => {
    await checkGradient({
      inputs: { x: { dims: [2, 3], range: positive } },
      build: (builder) => builder.op('Pow', ['x', builder.constant(doubleTensor([], [exponent]))]),
      opsets: claimedOpsets('Pow'),
    });
  });

  it('Pow with an integer exponent, negative bases', async () => {
    await checkGradient({
      inputs: { x: { dims: [2, 3] } },
      build: (builder) => builder.op('Pow', ['x', builder.constant(int64Tensor([2, 1], [2, 3]))]),
      opsets: [12, 13, 15],
      fixed: true,
    });
  });
});

describe('variadic operators', () => {
  for (const op of ['Sum', 'Mean', 'Min', 'Max'])
    it(op, async () => {
      for (const rows of [2, 1, 0])
        await checkGradient({
          inputs: { a: { dims: [rows, 3] }, b: { dims: [3] }, c: { dims: [rows, 1] } },
          build: (builder) => builder.op(op, ['a', 'b', 'c']),
          opsets: claimedOpsets(op),
        });
    });
});

const UNARY: readonly (readonly [string, Operand['range']?])[] = [
  ['Neg'],
  ['Sqrt', positive],
  ['Reciprocal', positive],
  ['Exp'],
  ['Log', positive],
  ['Abs', [-2, -0.1]],
  ['Sin'],
  ['Cos'],
  ['Tan'],
  ['Asin', [-0.9, 0.9]],
  ['Acos', [-0.9, 0.9]],
  ['Atan', [-3, 3]],
  ['Sinh', [-2, 2]],
  ['Cosh', [-2, 2]],
  ['Asinh', [-3, 3]],
  ['Acosh', [1.1, 3]],
  ['Atanh', [-0.9, 0.9]],
  ['Erf', [-3, 3]],
  ['Tanh', [-2, 2]],
  ['Sigmoid', [-4, 4]],
  ['Relu'],
  ['LeakyRelu'],
  ['Softplus', [-3, 3]],
];

describe('unary operators', () => {
  it.each(UNARY.map(([op, range]) => ({ op, range })))('$op', async ({ op, range }) => {
    for (const dims of [[2, 3], [1], [], [0, 2]])
      await checkGradient({
        inputs: { x: { dims, ...(range === undefined ? {} : { range }) } },
        build: (builder) => builder.op(op, ['x']),
        opsets: claimedOpsets(op),
      });
  });

  it.each(['none', 'tanh'])('Gelu, approximate %s', async (approximate) => {
    for (const dims of [[3, 4], [1], [0, 2]])
      await checkGradient({
        inputs: { x: { dims, range: [-4, 4] } },
        build: (builder) => builder.op('Gelu', ['x'], { approximate: string(approximate) }),
        opsets: claimedOpsets('Gelu'),
      });
  });

  it.each([
    ['Gelu', {}],
    ['FastGelu', {}],
    ['QuickGelu', {}],
    ['QuickGelu', { alpha: float(1) }],
  ])('%s of com.microsoft, %j', async (op, attributes) => {
    for (const dims of [[3, 4], [1], [2, 1, 3], [0, 2]])
      await checkGradient({
        inputs: { x: { dims, range: [-4, 4] } },
        build: (builder) => builder.op(`com.microsoft::${op}`, ['x'], attributes),
      });
  });

  it('Clip with bounds as inputs, one of them left out, and none', async () => {
    for (const bounds of [[-0.5, 0.25], [-0.5], []])
      for (const dims of [[3, 5], [1], [0, 2]])
        await checkGradient({
          inputs: { x: { dims } },
          build: (builder) =>
            builder.op('Clip', ['x', ...bounds.map((bound) => builder.constant(doubleTensor([], [bound])))]),
          opsets: claimedOpsets('Clip'),
        });
    await checkGradient({
      inputs: { x: { dims: [3, 5] } },
      build: (builder) => builder.op('Clip', ['x', '', builder.constant(doubleTensor([], [0.1]))]),
      opsets: [12, 13],
    });
  });

  it('LeakyRelu with a slope of its own', async () => {
    await checkGradient({
      inputs: { x: { dims: [7] } },
      build: (builder) => builder.op('LeakyRelu', ['x'], { alpha: float(0.3) }),
    });
  });
});

describe('Where', () => {
  it.each(PAIRS)('of %j and %j', async (a, b) => {
    await checkGradient({
      inputs: { a: { dims: a }, b: { dims: b } },
      build: (builder) => builder.op('Where', [builder.constant(boolTensor([1], [true])), 'a', 'b']),
      opsets: claimedOpsets('Where'),
    });
  });

  it('with a condition that is broadcast and mixed', async () => {
    await checkGradient({
      inputs: { a: { dims: [2, 3] }, b: { dims: [3] } },
      build: (builder) =>
        builder.op('Where', [
          builder.constant(boolTensor([2, 1, 3], [true, false, true, false, false, true])),
          'a',
          'b',
        ]),
      opsets: claimedOpsets('Where'),
      fixed: true,
    });
  });
});

coversRules([...elementwiseRules, ...trigonometricRules, ...activationRules]);
