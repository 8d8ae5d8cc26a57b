import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options?: { readonly type: 'minor' | 'major' }) => void;

let collect: Collect | undefined;

/**
 * Gives back what a thread has read and dropped. V8 lets some 64 MB of tensors lie about in every thread before it looks at them,
 * because they are no part of its own heap: with several threads that is most of a coordinator's memory. `young`: only what has just
 * been made, in about a millisecond.
 */
export function collectGarbage({ young = false } = {}): void {
  collect ??= exposed();
  collect({ type: young ? 'minor' : 'major' });
}

/** V8's own function, which Node has under --expose-gc only; worker threads take no such flag. */
function exposed(): Collect {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('gc');
  return typeof found === 'function' ? (found as Collect) : () => undefined;
}
