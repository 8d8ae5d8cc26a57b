import type { Clock } from '../../clock.js';
import type { Logger } from '../../log.js';
import type { RunActor } from './run-actor.js';

/** Until a disk that was full may have room again, ms. */
const RETRY_MS = 1000;

/**
 * Tells a run that the coordinator was restarted, so that no deadline is farther off than it could be. Again where that could not be
 * stored: a clock that was set back meanwhile would leave the round open until it has caught up.
 */
export function lookOver(
  run: Pick<RunActor, 'runId' | 'send'>,
  options: { readonly clock: Clock; readonly logger: Logger; readonly stopped: () => boolean },
): void {
  const { clock, logger, stopped } = options;
  run.send({ type: 'restarted' }).catch((error: unknown) => {
    logger.error({ err: error, run: run.runId }, 'deadlines could not be looked over; trying again');
    clock.after(RETRY_MS, () => {
      if (!stopped()) lookOver(run, options);
    });
  });
}
