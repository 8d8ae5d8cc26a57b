import { describe, expect, it } from 'vitest';
import { ClassificationMetrics } from '../../../src/client/training/classification-metrics.js';

/** Logits that decide for the given classes. */
function deciding(classes: number, decisions: readonly number[]): Float32Array {
  const logits = new Float32Array(decisions.length * classes).fill(-1);
  decisions.forEach((decision, row) => {
    logits[row * classes + decision] = 2;
  });
  return logits;
}

describe('ClassificationMetrics', () => {
  it('agrees with scikit-learn', () => {
    // sklearn 1.5: y = [0,1,2,0,1,2,2], p = [0,2,1,0,0,1,2]:
    // accuracy_score 0.428571..., f1_score(average='macro') = (0.8 + 0 + 0.4) / 3
    const metrics = new ClassificationMetrics(3);
    metrics.add(deciding(3, [0, 2, 1, 0]), [0, 1, 2, 0]);
    metrics.add(deciding(3, [0, 1, 2]), [1, 2, 2]);
    expect(metrics.examples).toBe(7);
    expect(metrics.accuracy).toBeCloseTo(3 / 7, 12);
    expect(metrics.macroF1).toBeCloseTo(1.2 / 3, 12);
  });

  it('leaves out classes that never occur, and counts those that are only decided', () => {
    const metrics = new ClassificationMetrics(4);
    metrics.add(deciding(4, [0, 0, 1]), [0, 0, 0]);
    // class 0: 2·2 / (2 + 3) = 0.8; class 1: 0; classes 2 and 3 do not occur.
    expect(metrics.macroF1).toBeCloseTo(0.4, 12);
  });

  it('decides for the first of equal logits', () => {
    const metrics = new ClassificationMetrics(2);
    metrics.add(new Float32Array(4), [0, 1]);
    expect(metrics.accuracy).toBe(0.5);
  });
});
