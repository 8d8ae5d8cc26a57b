import { asFedrotError, FedrotError, type ErrorCode } from '../../errors.js';

/** What a thread answers: an outcome, or what it failed with. Errors do not cross threads as what they are. */
export type ThreadAnswer<T> =
  | { readonly outcome: T }
  | { readonly error: { readonly code: ErrorCode; readonly message: string; readonly stack?: string } };

/** In the thread: what was thrown, as an answer. */
export function failure(thrown: unknown): ThreadAnswer<never> {
  const { code, message, stack } = asFedrotError(thrown);
  return { error: { code, message, ...(stack !== undefined && { stack }) } };
}

/** Outside of it: the outcome; throws what the thread failed with. */
export function outcomeOf<T>(answer: ThreadAnswer<T>): T {
  if ('outcome' in answer) return answer.outcome;
  const { code, message, stack } = answer.error;
  throw new FedrotError(code, message, { details: { workerStack: stack } });
}
