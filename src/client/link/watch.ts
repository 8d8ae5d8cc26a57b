import { FedrotError } from '../../errors.js';
import type { Assignment } from '../../rpc/gen/fedrot/v1/Assignment.js';
import { fromServiceError } from '../../rpc/status.js';
import { isAborted } from '../sleep.js';
import type { Connection } from './connection.js';

/**
 * Assignments as they come, for ever: after every break the silo registers and watches again. The first ones after each
 * (re)connection are those that are still outstanding, so the same one may come more than once. Ends when the signal aborts;
 * throws only where the first registration is refused. `restart` aborts to make it connect anew.
 */
export async function* watchAssignments(
  connection: Connection,
  signal: AbortSignal,
  onWatching: (restart: () => void) => void = () => undefined,
): AsyncGenerator<Assignment, void, undefined> {
  let failures = 0;
  while (!signal.aborted) {
    const session = await endOnAbort(connection.session(), signal);
    if (session === undefined) return;
    const broken = new AbortController();
    onWatching(() => {
      broken.abort();
    });
    let error = new FedrotError('unavailable', 'the coordinator ended the stream of assignments');
    try {
      const stream = connection.calls.watchAssignments(
        { silo: connection.silo },
        { signal: AbortSignal.any([signal, broken.signal]) },
      );
      for await (const assignment of stream) {
        failures = 0;
        yield assignment;
      }
    } catch (thrown) {
      error = fromServiceError(thrown);
    }
    if (isAborted(signal)) return;
    // A coordinator that comes back knows no sessions.
    connection.forget(session);
    failures++;
    // Whatever the reason: a daemon without assignments is of no use, so nothing here is final.
    const passing = new FedrotError('unavailable', error.message, { cause: error });
    await endOnAbort(
      connection.recover('watch for assignments', passing, { failures, session, signal }),
      signal,
    );
  }
}

/** The promise's value; undefined where it rejected because of the abort. */
async function endOnAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  try {
    return await promise;
  } catch (error) {
    if (signal.aborted) return undefined;
    throw error;
  }
}
