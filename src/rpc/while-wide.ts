import type { CallContext } from './call-context.js';

/** Does the work with the caller's windows wide: for handlers that take what comes as fast as it comes. */
export async function whileWide<T>(context: CallContext, work: () => Promise<T>): Promise<T> {
  const narrow = context.widen?.();
  try {
    return await work();
  } finally {
    narrow?.();
  }
}
