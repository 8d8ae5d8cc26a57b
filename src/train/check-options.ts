import { FedrotError } from '../errors.js';
import type { SessionOptions, StepOptions } from './session-types.js';

/** Throws option_invalid for what no session can do. */
export function checkOptions({ dropout = 0, prefixCache }: SessionOptions): void {
  if (!(dropout >= 0 && dropout < 1))
    throw new FedrotError('option_invalid', `dropout must be at least 0 and below 1, not ${dropout}`);
  const bytes = [prefixCache?.memoryBytes ?? 0, prefixCache?.diskBytes ?? 0];
  if (bytes.some((size) => !(size >= 0)))
    throw new FedrotError(
      'option_invalid',
      `prefixCache: sizes must be at least 0, not ${bytes.join(' and ')}`,
    );
  const share = prefixCache?.minShare ?? 0;
  if (!(share >= 0 && share <= 1))
    throw new FedrotError('option_invalid', `prefixCache: minShare must be 0 to 1, not ${share}`);
}

/** Throws option_invalid; `dropout` is the session's. */
export function checkStepOptions(options: StepOptions, dropout: number): void {
  const { learningRate = 0, maxGradientNorm = 1, proximal = 0, dropoutSeed } = options;
  if (!(learningRate >= 0) || !(maxGradientNorm > 0) || !(proximal >= 0))
    throw new FedrotError(
      'option_invalid',
      `step: learning rate ${learningRate} and proximal ${proximal} must be at least 0, maxGradientNorm ${maxGradientNorm} above 0`,
    );
  if (dropout > 0 && dropoutSeed === undefined)
    throw new FedrotError(
      'option_invalid',
      'step: the session has dropout, so every step needs a dropoutSeed',
    );
}
