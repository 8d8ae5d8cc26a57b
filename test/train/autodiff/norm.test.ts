import { describe, it } from 'vitest';
import { softmaxRules } from '../../../src/train/autodiff/rules/softmax.js';
import { normRules } from '../../../src/train/autodiff/rules/norm.js';
import { float, int } from '../../../src/train/ir/attributes.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

describe('Softmax and LogSoftmax', () => {
  for (const op of ['Softmax', 'LogSoftmax'])
    it.each([
      [[2, 3], undefined],
      [[2, 3, 4], undefined],
      [[2, 3, 4], 1],
      [[2, 3, 4], -2],
      [[2, 3, 4], 0],
      [[2, 1], -1],
      [[0, 3], -1],
      [[3], 0],
    ])(`${op} of %j along %s`, async (dims, axis) => {
      await checkGradient({
        inputs: { x: { dims, range: [-2, 2] } },
        build: (builder) => builder.op(op, ['x'], axis === undefined ? {} : { axis: int(axis) }),
        // Below version 13 the default axis is 1, which a vector does not have.
        opsets: claimedOpsets(op),
      });
    });
});

describe('normalisations', () => {
  it.each([
    [[2, 3, 4], -1, [4]],
    [[2, 3, 4], 2, [4]],
    [[2, 3, 4], 1, [3, 4]],
    [[2, 3, 4], -1, [3, 1]],
    [[5], 0, [5]],
    [[2, 2], -1, [1]],
    [[1, 4], -1, [4]],
    [[0, 4], -1, [4]],
  ])('LayerNormalization of %j from axis %d with scale %j', async (dims, axis, scale) => {
    for (const bias of [true, false])
      await checkGradient({
        inputs: { x: { dims }, scale: { dims: scale }, ...(bias ? { bias: { dims: scale } } : {}) },
        build: (builder) =>
          builder.op('LayerNormalization', bias ? ['x', 'scale', 'bias'] : ['x', 'scale'], {
            axis: int(axis),
            epsilon: float(1e-3),
          }),
        // Below 17 it is ONNX Runtime's own, of version 1.
        opsets: [14, 17],
      });
  });

  it.each([
    [[2, 3, 4], -1, [4]],
    [[2, 3, 4], 1, [3, 4]],
    [[5], 0, [5]],
    [[1, 4], -1, [4]],
    [[0, 4], -1, [4]],
  ])('RMSNormalization of %j from axis %d with scale %j', async (dims, axis, scale) => {
    await checkGradient({
      inputs: { x: { dims }, scale: { dims: scale } },
      build: (builder) =>
        builder.op('RMSNormalization', ['x', 'scale'], { axis: int(axis), epsilon: float(1e-3) }),
      opsets: [23],
    });
  });

  it('SimplifiedLayerNormalization, as ONNX Runtime writes it', async () => {
    for (const dims of [
      [2, 3, 4],
      [1, 4],
      [0, 4],
    ])
      await checkGradient({
        inputs: { x: { dims }, scale: { dims: [4] } },
        build: (builder) =>
          builder.op('SimplifiedLayerNormalization', ['x', 'scale'], { axis: int(-1), epsilon: float(1e-3) }),
        opsets: [14],
      });
  });
});

coversRules([...softmaxRules, ...normRules]);
