import { describe, expect, it } from 'vitest';
import { accumulate, addProximal, clipToNorm, globalNorm } from '../../src/train/gradient-math.js';
import { scheduleFactor } from '../../src/train/schedule.js';

/** transformers 5.18: get_scheduler(kind, optimizer with lr 1, num_warmup_steps=3, num_training_steps=10), steps 0 to 10. */
const TRANSFORMERS = {
  constant: [0, 1 / 3, 2 / 3, 1, 1, 1, 1, 1, 1, 1, 1],
  linear: [0, 1 / 3, 2 / 3, 1, 6 / 7, 5 / 7, 4 / 7, 3 / 7, 2 / 7, 1 / 7, 0],
  cosine: [
    ...[0, 0.333333333333, 0.666666666667, 1, 0.950484433951, 0.811744900929],
    ...[0.611260466978, 0.388739533022, 0.188255099071, 0.049515566049, 0],
  ],
};

describe('scheduleFactor', () => {
  it.each(['constant', 'linear', 'cosine'] as const)('%s is that of transformers', (kind) => {
    TRANSFORMERS[kind].forEach((expected, step) =>
      expect(scheduleFactor({ kind, warmupSteps: 3 }, step, 10)).toBeCloseTo(expected, 10),
    );
  });

  it('ends at the final factor and stays there', () => {
    for (const kind of ['linear', 'cosine'] as const)
      for (const step of [10, 11, 100])
        expect(scheduleFactor({ kind, warmupSteps: 0, finalFactor: 0.1 }, step, 10)).toBeCloseTo(0.1, 12);
    expect(scheduleFactor({ kind: 'linear', warmupSteps: 0 }, 0, 1)).toBe(1);
    expect(() => scheduleFactor({ kind: 'linear', warmupSteps: 0 }, -1, 10)).toThrow(/step -1 of 10/);
  });
});

describe('gradients of a step', () => {
  it('are clipped as torch.nn.utils.clip_grad_norm_ does', () => {
    // torch 2.13, max_norm 2.5.
    const gradients = [Float32Array.of(3, -4), Float32Array.of(1, 2, 2, 0.5)];
    const norm = globalNorm(gradients);
    expect(norm).toBeCloseTo(5.8523, 4);
    clipToNorm(gradients, norm, 2.5);
    const expected = [
      1.281536340713501, -1.7087150812149048, 0.4271787703, 0.8543575406, 0.8543575406, 0.2135893852,
    ];
    gradients
      .flatMap((each) => [...each])
      .forEach((value, i) => expect(value).toBeCloseTo(expected[i] ?? NaN, 6));
    clipToNorm(gradients, globalNorm(gradients), 100);
    expect(gradients[0]?.[0]).toBeCloseTo(1.2815363, 6);
  });

  it('add up with weights, and FedProx pulls towards the anchor', () => {
    const sum = accumulate(
      accumulate(undefined, [Float32Array.of(1, 2)], 0.25),
      [Float32Array.of(4, 8)],
      0.75,
    );
    expect([...(sum[0] ?? [])]).toEqual([3.25, 6.5]);
    const gradient = Float32Array.of(1, 1);
    addProximal(gradient, Float32Array.of(2, 3), Float32Array.of(1, 5), 0.5);
    expect([...gradient]).toEqual([1.5, 0]);
  });
});
