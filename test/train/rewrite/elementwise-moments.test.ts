import { describe, it } from 'vitest';
import { float, int, ints } from '../../../src/train/ir/attributes.js';
import type { Attributes } from '../../../src/train/ir/builder.js';
import { checkRewrite, type Operand } from './support.js';

const x: Operand = { dims: [3, 5, 6] };
const line: Operand = { dims: [3, 4, 7] };
const vector = (size: number): Operand => ({ dims: [size], fixed: true });
const positive = (size: number): Operand => ({
  ...vector(size),
  data: Array.from({ length: size }, (_, i) => 0.3 + i),
});

describe('activations', () => {
  const alpha = { alpha: float(0.3) };
  it.each<[string, number, Attributes]>([
    ['Elu', 18, {}],
    ['Elu', 22, alpha],
    ['Selu', 18, {}],
    ['Selu', 18, { ...alpha, gamma: float(1.5) }],
    ['Celu', 18, {}],
    ['Celu', 18, alpha],
    ['HardSigmoid', 18, {}],
    ['HardSigmoid', 18, { alpha: float(0.9), beta: float(0.1) }],
    ['HardSwish', 18, {}],
    ['Mish', 18, {}],
    ['Softsign', 18, {}],
    ['ThresholdedRelu', 18, alpha],
  ])('%s at opset %i with %o', async (op, opset, attributes) => {
    await checkRewrite({ op, opset, attributes, inputs: [x] });
    // Far out, where an exponential of the wrong branch would overflow.
    const data = [-200, -3, -0.5, 0, 0.5, 200];
    await checkRewrite({ op, opset, attributes, inputs: [{ dims: [6], data }] });
  });

  it('PRelu', async () => {
    await checkRewrite({ op: 'PRelu', inputs: [x, vector(6)] });
    await checkRewrite({ op: 'PRelu', opset: 11, inputs: [x, vector(1)] });
  });
});

describe('normalizations', () => {
  it('BatchNormalization with stored moments', async () => {
    const inputs = [line, vector(4), vector(4), vector(4), positive(4)];
    await checkRewrite({ op: 'BatchNormalization', inputs });
    await checkRewrite({
      op: 'BatchNormalization',
      opset: 11,
      attributes: { epsilon: float(0.1) },
      inputs,
    });
    await checkRewrite({ op: 'BatchNormalization', inputs: [{ dims: [3, 4] }, ...inputs.slice(1)] });
  });

  it('InstanceNormalization and GroupNormalization', async () => {
    await checkRewrite({ op: 'InstanceNormalization', inputs: [line, vector(4), vector(4)] }, 1e-5);
    const attributes = { num_groups: int(2), epsilon: float(1e-3) };
    await checkRewrite(
      { op: 'GroupNormalization', opset: 18, attributes, inputs: [line, vector(2), vector(2)] },
      1e-5,
    );
    await checkRewrite(
      { op: 'GroupNormalization', opset: 21, attributes, inputs: [line, vector(4), vector(4)] },
      1e-5,
    );
  });

  it.each([1, 2])('LpNormalization with p %i', async (p) => {
    await checkRewrite({ op: 'LpNormalization', attributes: { p: int(p) }, inputs: [x] });
    await checkRewrite({ op: 'LpNormalization', attributes: { p: int(p), axis: int(1) }, inputs: [x] });
  });
});

describe('reductions', () => {
  const above: Operand = { dims: [3, 5], data: Array.from({ length: 15 }, (_, i) => 0.1 + i) };
  it.each(['ReduceL1', 'ReduceLogSum'])('%s', async (op) => {
    await checkRewrite({ op, opset: 18, inputs: [above] });
    await checkRewrite({
      op,
      opset: 11,
      attributes: { axes: ints([-1]), keepdims: int(0) },
      inputs: [above],
    });
    await checkRewrite({ op, opset: 13, attributes: { axes: ints([0]) }, inputs: [above] });
  });
});
