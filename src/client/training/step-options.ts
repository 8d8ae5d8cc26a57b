import type { RunSpec } from '../../run-spec.js';
import { scheduleFactor } from '../../train/schedule.js';
import type { StepOptions } from '../../train/session-types.js';

/** What the run asks of one optimizer step: `step` from 1 to localSteps of `round`, from 1; dropout's masks derive from `seed`. */
export function stepOptions(
  spec: Pick<RunSpec, 'training' | 'rounds' | 'lora'>,
  round: number,
  step: number,
  seed: readonly (string | number)[] = [],
): StepOptions {
  const { schedule, localSteps, optimizer, maxGradientNorm, proximal } = spec.training;
  const wholeRun = schedule.over === 'run';
  const done = (wholeRun ? (round - 1) * localSteps : 0) + step - 1;
  const total = (wholeRun ? spec.rounds.count : 1) * localSteps;
  return {
    learningRate: optimizer.learningRate * scheduleFactor(schedule, done, total),
    ...(maxGradientNorm !== undefined && { maxGradientNorm }),
    ...(proximal > 0 && { proximal }),
    ...(spec.lora.dropout > 0 && { dropoutSeed: [...seed, step] }),
  };
}

/**
 * How many steps a round has on a silo with so many rows: localSteps, or as many as maxLocalEpochs allow where those are
 * fewer. An epoch has ⌈count / batchSize⌉ batches (plan-batches.ts).
 */
export function stepsOfRound({ training }: Pick<RunSpec, 'training'>, count: number): number {
  const { localSteps, maxLocalEpochs, batchSize, gradientAccumulation } = training;
  if (maxLocalEpochs === undefined) return localSteps;
  const batches = maxLocalEpochs * Math.ceil(count / batchSize);
  return Math.min(localSteps, Math.max(1, Math.ceil(batches / gradientAccumulation)));
}
