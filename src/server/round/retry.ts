/** How long a round whose silos failed rests before its next attempt, ms: 1 s, 4 s, 16 s, … at most a minute. */
export function attemptDelayMs(attempt: number): number {
  return Math.min(60_000, 1000 * 4 ** (attempt - 1));
}

/** How long an aggregation that failed for a passing reason (a full disk) rests before it is tried again, ms. */
export const AGGREGATION_RETRY_MS = 10_000;

/** Failures of an aggregation that an operator can cure while the run waits. */
export const PASSING_CODES: ReadonlySet<string> = new Set(['storage_full', 'storage_failed', 'unavailable']);
