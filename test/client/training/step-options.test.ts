import { describe, expect, it } from 'vitest';
import { stepOptions } from '../../../src/client/training/step-options.js';
import { parseRunSpec, type RunSpec } from '../../../src/run-spec.js';

function spec(training: Record<string, unknown>): RunSpec {
  return parseRunSpec({
    name: 'test',
    bundle: '0'.repeat(64),
    task: { kind: 'text-classification', labels: ['a', 'b'] },
    rounds: { count: 4 },
    training: { optimizer: { kind: 'sgd', learningRate: 0.5 }, localSteps: 10, ...training },
  });
}

describe('stepOptions', () => {
  it.each([
    // round, step, schedule, factor by hand
    [3, 7, {}, 1],
    [1, 1, { kind: 'linear' }, 1],
    [3, 1, { kind: 'linear' }, 0.5],
    [4, 10, { kind: 'linear' }, 1 / 40],
    [3, 1, { kind: 'cosine' }, 0.5],
    [3, 1, { kind: 'cosine', finalFactor: 0.2 }, 0.6],
    [3, 6, { kind: 'linear', over: 'round' }, 0.5],
    [1, 6, { warmupSteps: 10 }, 0.5],
    [2, 6, { warmupSteps: 10 }, 1],
    [2, 6, { warmupSteps: 10, over: 'round' }, 0.5],
  ])('round %i step %i of %j: factor %f', (round, step, schedule, factor) => {
    expect(stepOptions(spec({ schedule }), round, step).learningRate).toBeCloseTo(0.5 * factor, 12);
  });

  it('asks for clipping and FedProx only where the run does', () => {
    expect(Object.keys(stepOptions(spec({}), 1, 1))).toEqual(['learningRate']);
    expect(stepOptions(spec({ maxGradientNorm: 2, proximal: 0.1 }), 1, 1)).toMatchObject({
      maxGradientNorm: 2,
      proximal: 0.1,
    });
  });
});
