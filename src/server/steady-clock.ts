import type { Clock } from '../clock.js';

/** The machine's clock may be corrected by so much a step without being believed to have jumped; ms. */
const TOLERANCE_MS = 1000;

export interface SteadyClockOptions {
  /** Elapsed milliseconds that nobody can set. */
  readonly monotonic?: () => number;
  /** The machine's clock was set, by so many ms: later (positive) or earlier. */
  readonly onJump?: (byMs: number) => void;
}

/**
 * A clock that follows the machine's, but not its jumps: whoever sets the time of a running coordinator by an hour neither ends a
 * round nor makes it wait an hour longer. Never goes back. Small corrections, as NTP makes them, are followed; after a jump it stays
 * off by it until the next start.
 */
export function steadyClock(wall: Clock, options: SteadyClockOptions = {}): Clock {
  const { monotonic = () => performance.now(), onJump } = options;
  let wallMs = wall.now();
  let elapsedMs = monotonic();
  let offsetMs = 0;
  let newest = wallMs;
  return {
    now() {
      const nextWallMs = wall.now();
      const nextElapsedMs = monotonic();
      const jumpedMs = Math.round(nextWallMs - wallMs - (nextElapsedMs - elapsedMs));
      wallMs = nextWallMs;
      elapsedMs = nextElapsedMs;
      if (Math.abs(jumpedMs) > TOLERANCE_MS) {
        offsetMs -= jumpedMs;
        onJump?.(jumpedMs);
      }
      newest = Math.max(newest, wallMs + offsetMs);
      return newest;
    },
    after: (delayMs, fire) => wall.after(delayMs, fire),
  };
}
