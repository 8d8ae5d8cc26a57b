import type { Clock } from '../clock.js';
import { FedrotError } from '../errors.js';

/** Reads the signal anew: the compiler believes that what was false once stays so. */
export function isAborted(signal: AbortSignal): boolean {
  return signal.aborted;
}

/** Resolves after the delay; rejects with cancelled as soon as the signal aborts. */
export function sleep(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(new FedrotError('cancelled', 'cancelled while waiting'));
      return;
    }
    const stop = clock.after(delayMs, () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    const abort = (): void => {
      stop();
      reject(new FedrotError('cancelled', 'cancelled while waiting'));
    };
    signal.addEventListener('abort', abort, { once: true });
  });
}
