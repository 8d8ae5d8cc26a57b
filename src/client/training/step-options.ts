import type { RunSpec } from '../../run-spec.js';
import { scheduleFactor } from '../../train/schedule.js';
import type { StepOptions } from '../../train/session-types.js';

/** What the run asks of one optimizer step: `step` from 1 to localSteps of `round`, from 1. */
export function stepOptions(
  spec: Pick<RunSpec, 'training' | 'rounds'>,
  round: number,
  step: number,
): StepOptions {
  const { schedule, localSteps, optimizer, maxGradientNorm, proximal } = spec.training;
  const wholeRun = schedule.over === 'run';
  const done = (wholeRun ? (round - 1) * localSteps : 0) + step - 1;
  const total = (wholeRun ? spec.rounds.count : 1) * localSteps;
  return {
    learningRate: optimizer.learningRate * scheduleFactor(schedule, done, total),
    ...(maxGradientNorm !== undefined && { maxGradientNorm }),
    ...(proximal > 0 && { proximal }),
  };
}
