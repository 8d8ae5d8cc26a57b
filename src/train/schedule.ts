import { FedrotError } from '../errors.js';

/** How the learning rate changes over the steps; a factor on the optimizer's own rate. */
export interface Schedule {
  readonly kind: 'constant' | 'linear' | 'cosine';
  /** Steps over which the factor rises from 0 to 1. */
  readonly warmupSteps: number;
  /** What is left of the rate at the end of linear and cosine; default 0. */
  readonly finalFactor?: number;
}

/**
 * The factor on the learning rate of a step (from 0) of `totalSteps`, as transformers' get_scheduler gives it: step / warmupSteps while
 * warming up, then 1, falling linearly to finalFactor, or along half a cosine (Loshchilov and Hutter, arXiv 1608.03983). The first
 * step of a warm-up has factor 0. Throws option_invalid.
 */
export function scheduleFactor(schedule: Schedule, step: number, totalSteps: number): number {
  const { kind, warmupSteps, finalFactor = 0 } = schedule;
  if (step < 0 || totalSteps < 1 || warmupSteps < 0)
    throw new FedrotError(
      'option_invalid',
      `schedule: step ${step} of ${totalSteps} with ${warmupSteps} steps of warm-up`,
    );
  if (step < warmupSteps) return step / warmupSteps;
  if (kind === 'constant') return 1;
  const progress = Math.min((step - warmupSteps) / Math.max(1, totalSteps - warmupSteps), 1);
  const falling = kind === 'linear' ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
  return finalFactor + (1 - finalFactor) * falling;
}
