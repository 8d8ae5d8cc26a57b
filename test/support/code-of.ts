import { FedrotError } from '../../src/errors.js';

/** The code of the FedrotError that `call` throws, or what happened instead. */
export function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (thrown) {
    return thrown instanceof FedrotError ? thrown.code : `not a FedrotError: ${String(thrown)}`;
  }
  return 'nothing thrown';
}
