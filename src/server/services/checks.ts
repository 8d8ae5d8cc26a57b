import { FedrotError } from '../../errors.js';

/** Throws option_invalid unless from `min` to `max`, NaN and infinities included. */
export function checkRange(value: number, what: string, min: number, max: number): number {
  if (!(value >= min && value <= max))
    throw new FedrotError('option_invalid', `${what} is ${value}; it must be from ${min} to ${max}`);
  return value;
}

/** Text of a caller for logs and the store: no control characters, at most `max` characters. */
export function cleanText(value: string, max: number): string {
  return value.replace(/\p{Cc}+/gu, ' ').slice(0, max);
}

/** A time or count of a caller that only informs: anything that is not a number of at least 0 is 0. */
export function informative(value: number): number {
  return Number.isFinite(value) && value >= 0 ? value : 0;
}
