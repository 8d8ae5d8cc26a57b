import type { Clock } from '../../clock.js';
import type { Place } from './upload-admission.js';

/**
 * An upload whose next message takes so long gives its place to another: the link is what is slow (a message of 512 KiB at less than 5 MB/s), and what
 * comes over it does not pile up here.
 */
const SLOW_MS = 100;
/** A message that has come while this process was busy is seen so long after: then it was not the link. */
const SEEN_MS = 25;

/** The messages; `place` is left when one does not come in time. */
export async function* leaveWhenIdle<T>(
  messages: AsyncIterable<T>,
  place: Place,
  clock: Clock,
): AsyncGenerator<T, void, undefined> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      let cancel = clock.after(SLOW_MS, () => {
        cancel = clock.after(SEEN_MS, () => {
          place.leave();
        });
      });
      const next = await iterator.next().finally(() => {
        cancel();
      });
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}
