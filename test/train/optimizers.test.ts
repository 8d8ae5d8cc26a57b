import { describe, expect, it } from 'vitest';
import type { OptimizerSpec } from '../../src/run-spec.js';
import { makeOptimizer } from '../../src/train/optimizers/make-optimizer.js';

/** Gradients of a parameter with two entries over three steps. */
const GRADIENTS = [
  [0.5, -1],
  [0.25, 0],
  [-1, 2],
];

function trajectory(spec: OptimizerSpec): number[][] {
  const optimizer = makeOptimizer(spec);
  const parameter = Float32Array.of(1, -2);
  const state = optimizer.init(parameter.length);
  return GRADIENTS.map((gradient) => {
    optimizer.update(state, parameter, Float32Array.from(gradient));
    return [...parameter];
  });
}

function close(actual: readonly number[][], expected: readonly number[][]): void {
  actual.forEach((row, i) => {
    row.forEach((value, k) => expect(value).toBeCloseTo(expected[i]?.[k] ?? NaN, 6));
  });
}

describe('optimizers, by the formulas of torch.optim worked out by hand', () => {
  it('SGD', () => {
    close(trajectory({ kind: 'sgd', learningRate: 0.1, momentum: 0, weightDecay: 0 }), [
      [0.95, -1.9],
      [0.925, -1.9],
      [1.025, -2.1],
    ]);
  });

  it('SGD with momentum: the buffer begins at the first gradient', () => {
    // buffers 0.5, 0.7, −0.37 and −1, −0.9, 1.19
    close(trajectory({ kind: 'sgd', learningRate: 0.1, momentum: 0.9, weightDecay: 0 }), [
      [0.95, -1.9],
      [0.88, -1.81],
      [0.917, -1.929],
    ]);
  });

  it('SGD with weight decay: it is part of the gradient', () => {
    close(trajectory({ kind: 'sgd', learningRate: 0.1, momentum: 0, weightDecay: 0.5 }), [
      [0.9, -1.8],
      [0.83, -1.71],
      [0.8885, -1.8245],
    ]);
  });

  it('AdamW: the first step is lr · sign(gradient), decay acts on the parameter alone', () => {
    const plain = trajectory({
      kind: 'adamw',
      learningRate: 0.1,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0,
    });
    close(plain.slice(0, 1), [[0.9, -1.9]]);
    // Step 2, first entry: m = 0.07, v = 3.1225e-4, m̂ = 0.07 / 0.19, v̂ = 3.1225e-4 / 0.001999.
    const second = 0.9 - (0.1 * (0.07 / 0.19)) / Math.sqrt(3.1225e-4 / 0.001999);
    expect(plain[1]?.[0]).toBeCloseTo(second, 5);
    const decayed = trajectory({
      kind: 'adamw',
      learningRate: 0.1,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: 0.5,
    });
    close(decayed.slice(0, 1), [[0.85, -1.8]]);
  });
});
