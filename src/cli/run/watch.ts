import { setTimeout as sleep } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { RETRY_FOR_EVER, RETRY_OF_CODE, retryDelayMs, type RetryPolicy } from '../../rpc/retry.js';
import type { AdminClient } from '../admin/connect.js';
import { hasEnded } from './run-view.js';

const POLICY: RetryPolicy = { ...RETRY_FOR_EVER, maxMs: 5000 };

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of every break, before the wait. */
  readonly onBreak?: (error: FedrotError) => void;
  readonly policy?: RetryPolicy;
}

const mayReturn = (error: unknown): error is FedrotError =>
  error instanceof FedrotError && RETRY_OF_CODE[error.code] === 'retry';

/**
 * A run's snapshots until it ends. A break of the connection or a restart of the coordinator does not end it: it is
 * tried again for ever, unless nothing was ever heard. Ends silently when the signal aborts.
 */
export async function* watchRun(
  admin: AdminClient,
  runId: string,
  { signal, onBreak = () => undefined, policy = POLICY }: WatchOptions = {},
): AsyncGenerator<Run, void, undefined> {
  const aborted = (): boolean => signal?.aborted === true;
  let heard = false;
  for (let failures = 0; !aborted();) {
    try {
      for await (const { run } of admin.watchRun({ runId }, signal === undefined ? {} : { signal })) {
        if (!run) continue;
        heard = true;
        failures = 0;
        yield run;
        if (hasEnded(run)) return;
      }
      throw new FedrotError('unavailable', 'the coordinator ended the stream');
    } catch (thrown) {
      if (aborted()) return;
      if (!heard || !mayReturn(thrown)) throw thrown;
      onBreak(thrown);
      const delayMs = retryDelayMs(policy, ++failures, Math.random);
      if (delayMs === undefined) throw thrown;
      await sleep(delayMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
    }
  }
}
