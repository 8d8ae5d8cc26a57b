import { describe, it } from 'vitest';
import { fourierRules } from '../../../src/train/autodiff/rules/fourier.js';
import { int } from '../../../src/train/ir/attributes.js';
import { int64Tensor } from '../../../src/train/ir/tensor-value.js';
import { checkGradient, claimedOpsets } from '../support/finite-differences.js';
import { coversRules } from '../support/rule-coverage.js';

describe.each(claimedOpsets('DFT'))('DFT at opset %i', (opset) => {
  it.each([
    [[2, 5, 2], 1],
    [[2, 5, 1], 1],
    [[2, 4, 3, 2], 2],
    [[2, 4, 3, 1], -2],
    [[1, 1, 2], 1],
  ])('of %j along %i', async (dims, axis) => {
    for (const inverse of [0, 1])
      await checkGradient({
        inputs: { x: { dims } },
        build: (builder) => {
          const way = { inverse: int(inverse) };
          const y =
            opset >= 20
              ? builder.op('DFT', ['x', '', builder.constant(int64Tensor([], [axis]))], way)
              : builder.op('DFT', ['x'], { ...way, axis: int(axis) });
          return builder.op('Mul', [y, y]);
        },
        opsets: [opset],
      });
  });
});

coversRules([...fourierRules], {
  DFT: { 'empty dimensions': 'ONNX Runtime 1.30 refuses an empty signal' },
});
