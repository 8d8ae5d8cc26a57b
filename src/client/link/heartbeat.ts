import type { Clock } from '../../clock.js';
import type { Logger } from '../../log.js';
import { RETRY_OF_CODE } from '../../rpc/retry.js';
import { fromServiceError } from '../../rpc/status.js';
import { isAborted, sleep } from '../sleep.js';
import type { Connection } from './connection.js';

/** A clock that is off by more makes deadlines and certificates misleading. */
export const CLOCK_TOLERANCE_MS = 60_000;

/** Where the coordinator states no interval; ms. */
const DEFAULT_INTERVAL_MS = 10_000;

/** Not more often, whatever the coordinator says; ms. */
const MIN_INTERVAL_MS = 20;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when the coordinator no longer knows this silo. */
  readonly onForgotten: () => void;
  /** Told of every beat: whether it was answered, and the coordinator's clock minus this one's, ms. */
  readonly onBeat?: (answered: boolean, offsetMs?: number) => void;
}

/** Tells the coordinator that the silo lives, until the signal aborts. A beat that fails is not repeated: the next one comes soon. */
export async function keepBeating(
  connection: Connection,
  { clock, logger, onForgotten, onBeat }: HeartbeatOptions,
  signal: AbortSignal,
): Promise<void> {
  let warned = false;
  while (!signal.aborted) {
    try {
      const session = await connection.session();
      onBeat?.(true);
      const intervalMs = Math.max(MIN_INTERVAL_MS, session.heartbeatIntervalMs || DEFAULT_INTERVAL_MS);
      await sleep(clock, intervalMs, signal);
      const sentMs = clock.now();
      const { serverTimeMs } = await connection.calls.heartbeat(
        { silo: connection.silo },
        { deadlineMs: Math.max(intervalMs, 1000), signal },
      );
      const offMs = Math.round(serverTimeMs - (sentMs + clock.now()) / 2);
      onBeat?.(true, serverTimeMs > 0 ? offMs : undefined);
      if (serverTimeMs > 0 && Math.abs(offMs) > CLOCK_TOLERANCE_MS && !warned) {
        warned = true;
        logger.warn({ offMs }, "this machine's clock and the coordinator's differ; set both by NTP");
      }
    } catch (thrown) {
      if (isAborted(signal)) return;
      onBeat?.(false);
      const error = fromServiceError(thrown);
      logger.debug({ code: error.code, reason: error.message }, 'heartbeat failed');
      const action = RETRY_OF_CODE[error.code];
      if (action === 'register') onForgotten();
      // Never at once: what fails without waiting for anything (a journal on a full disk) would leave the process no time for anything else.
      const pauseMs = action === 'never' ? DEFAULT_INTERVAL_MS : MIN_INTERVAL_MS;
      await sleep(clock, pauseMs, signal).catch(() => undefined);
    }
  }
}
