import type { Clock } from '../../clock.js';
import type { Place } from './upload-admission.js';

/** An upload whose next message takes so long gives its place to another: the link is what is slow. */
const SLOW_MS = 500;

/** The messages; `place` is left when one does not come in time. */
export async function* leaveWhenIdle<T>(
  messages: AsyncIterable<T>,
  place: Place,
  clock: Clock,
): AsyncGenerator<T, void, undefined> {
  const iterator = messages[Symbol.asyncIterator]();
  try {
    for (;;) {
      const cancel = clock.after(SLOW_MS, () => {
        place.leave();
      });
      const next = await iterator.next().finally(cancel);
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}
