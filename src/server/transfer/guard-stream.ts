import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';

export interface Guard {
  readonly clock: Clock;
  /** Between two messages, ms. */
  readonly idleMs: number;
  /** Ends the stream with the signal's reason. */
  readonly signal: AbortSignal;
}

/** A caller's messages; throws stream_truncated when none comes for too long, so that no half-open stream stays for ever. */
export async function* guardStream<T>(
  messages: AsyncIterable<T>,
  guard: Guard,
): AsyncGenerator<T, void, undefined> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await nextInTime(iterator, guard);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // The iterator may be waiting for a message that never comes: nobody may wait for it.
    void iterator.return?.().catch(() => undefined);
  }
}

function nextInTime<T>(
  iterator: AsyncIterator<T>,
  { clock, idleMs, signal }: Guard,
): Promise<IteratorResult<T>> {
  return new Promise((resolve, reject) => {
    const cancelTimer = clock.after(idleMs, () => {
      reject(new FedrotError('stream_truncated', `the stream stopped: no message for ${idleMs} ms`));
    });
    const abort = (): void => {
      reject(asReason(signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    iterator
      .next()
      .then(resolve, reject)
      .finally(() => {
        cancelTimer();
        signal.removeEventListener('abort', abort);
      });
  });
}

function asReason(reason: unknown): FedrotError {
  return reason instanceof FedrotError ? reason : new FedrotError('cancelled', 'the stream was ended');
}
