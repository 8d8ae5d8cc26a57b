import { setTimeout as sleep } from 'node:timers/promises';
import { FedrotError } from '../../errors.js';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';
import { RETRY_FOR_EVER, RETRY_OF_CODE, retryDelayMs, type RetryPolicy } from '../../rpc/retry.js';
import type { AdminClient } from '../admin/connect.js';
import { hasEnded, isBeingMeasured } from './run-view.js';

const POLICY: RetryPolicy = { ...RETRY_FOR_EVER, maxMs: 5000 };

export interface WatchOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told of every break, before the wait. */
  readonly onBreak?: (error: FedrotError) => void;
  readonly policy?: RetryPolicy;
  /** How long is waited, after the end, for the next error of a round that is still being measured, ms. Default two minutes. */
  readonly patienceMs?: number;
}

const PATIENCE_MS = 120_000;

const mayReturn = (error: unknown): error is FedrotError =>
  error instanceof FedrotError && RETRY_OF_CODE[error.code] === 'retry';

/**
 * A run's snapshots until it ends and every round's error is known, or will not be. A break of the connection or a restart of the coordinator does not end it: it is
 * tried again for ever, unless nothing was ever heard. Ends silently when the signal aborts.
 */
export async function* watchRun(
  admin: AdminClient,
  runId: string,
  { signal: stop, onBreak = () => undefined, policy = POLICY, patienceMs = PATIENCE_MS }: WatchOptions = {},
): AsyncGenerator<Run, void, undefined> {
  const tired = new AbortController();
  let patience: NodeJS.Timeout | undefined;
  const signal = stop === undefined ? tired.signal : AbortSignal.any([stop, tired.signal]);
  const aborted = (): boolean => signal.aborted;
  let heard = false;
  try {
    for (let failures = 0; !aborted();)
      try {
        for await (const { run } of admin.watchRun({ runId }, { signal })) {
          if (!run) continue;
          heard = true;
          failures = 0;
          clearTimeout(patience);
          if (hasEnded(run) && isBeingMeasured(run)) patience = setTimeout(() => tired.abort(), patienceMs);
          yield run;
          if (hasEnded(run) && !isBeingMeasured(run)) return;
        }
        throw new FedrotError('unavailable', 'the coordinator ended the stream');
      } catch (thrown) {
        if (aborted()) return;
        if (!heard || !mayReturn(thrown)) throw thrown;
        onBreak(thrown);
        const delayMs = retryDelayMs(policy, ++failures, Math.random);
        if (delayMs === undefined) throw thrown;
        await sleep(delayMs, undefined, { signal }).catch(() => undefined);
      }
  } finally {
    clearTimeout(patience);
  }
}
