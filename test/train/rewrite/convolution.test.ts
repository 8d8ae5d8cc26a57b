import { describe, expect, it } from 'vitest';
import { int, ints, string } from '../../../src/train/ir/attributes.js';
import { rewriteModel } from '../../../src/train/rewrite/rewrite.js';
import { probeTypes } from '../../../src/train/shapes/probe.js';
import { checkRewrite, singleNode, type Operand } from './support.js';

const weight = (...dims: number[]): Operand => ({ dims, fixed: true });
/** Batch and length are known only at run time. */
const line: Operand = { dims: [3, 4, 7] };
const plane: Operand = { dims: [3, 4, 7, 5] };

describe('Conv', () => {
  it.each([
    ['a kernel of 1', line, weight(6, 4, 1), {}],
    ['padding', line, weight(6, 4, 3), { pads: ints([1, 1]) }],
    [
      'uneven padding, strides and dilations',
      line,
      weight(6, 4, 2),
      {
        pads: ints([2, 1]),
        strides: ints([2]),
        dilations: ints([3]),
      },
    ],
    ['groups', line, weight(6, 2, 3), { group: int(2), pads: ints([1, 1]) }],
    ['one filter a channel', line, weight(4, 1, 3), { group: int(4), pads: ints([1, 1]) }],
    ['two filters a channel', line, weight(8, 1, 3), { group: int(4), auto_pad: string('VALID') }],
    ['two dimensions', plane, weight(6, 4, 3, 2), { pads: ints([1, 0, 1, 1]), strides: ints([2, 1]) }],
    ['two dimensions by channel', plane, weight(4, 1, 5, 1), { group: int(4), pads: ints([2, 0, 2, 0]) }],
  ] as const)('with %s', async (_, x, w, attributes) => {
    await checkRewrite({ op: 'Conv', attributes, inputs: [x, w] });
    const bias = weight(w.dims[0] ?? 0);
    await checkRewrite({ op: 'Conv', opset: 11, attributes, inputs: [x, w, bias] });
    await checkRewrite({ op: 'Conv', opset: 22, attributes, inputs: [x, w, bias] });
  });

  it('refuses padding that depends on the size', async () => {
    const { model } = singleNode({
      op: 'Conv',
      attributes: { auto_pad: string('SAME_UPPER') },
      inputs: [line, weight(6, 4, 3)],
    });
    const types = await probeTypes(model);
    expect(() => rewriteModel(model, types)).toThrow(/Conv node "y0" .*auto_pad SAME_UPPER/);
  });
});

describe('pooling', () => {
  const kernel = { kernel_shape: ints([3, 2]) };
  it.each([
    ['plain', kernel],
    ['with strides', { ...kernel, strides: ints([2, 2]) }],
    ['with padding', { ...kernel, pads: ints([1, 1, 1, 0]) }],
  ])('%s', async (_, attributes) => {
    await checkRewrite({ op: 'MaxPool', opset: 12, attributes, inputs: [plane] });
    await checkRewrite({ op: 'AveragePool', attributes, inputs: [plane] });
    await checkRewrite({
      op: 'AveragePool',
      opset: 11,
      attributes: { ...attributes, count_include_pad: int(1) },
      inputs: [plane],
    });
    await checkRewrite({ op: 'AveragePool', opset: 22, attributes, inputs: [plane] });
    await checkRewrite({ op: 'MaxPool', opset: 22, attributes, inputs: [plane] });
  });

  it('over everything', async () => {
    await checkRewrite({ op: 'GlobalAveragePool', inputs: [plane] });
    await checkRewrite({ op: 'GlobalMaxPool', inputs: [line] });
    await checkRewrite({ op: 'GlobalAveragePool', opset: 22, inputs: [line] });
  });
});
