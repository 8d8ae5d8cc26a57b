import type { ServerWritableStream } from '@grpc/grpc-js';

/** Messages of one stream that may wait for a slow caller; grpc-js would let 16 of them pile up. */
export const UNSENT = 2;

/** Writes; resolves when fewer than UNSENT messages wait to be sent, or the call is over. */
export function streamWriter(
  call: ServerWritableStream<object, object>,
  signal: AbortSignal,
): (message: object) => Promise<void> {
  let unsent = 0;
  let wake: () => void = () => undefined;
  signal.addEventListener('abort', () => {
    wake();
  });
  return async (message) => {
    unsent++;
    call.write(message, () => {
      unsent--;
      wake();
    });
    while (unsent >= UNSENT && !signal.aborted)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
  };
}
