/** Time as a parameter, so that every rule about time can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Calls `fire` once after `delayMs`; the returned function cancels it. Never keeps the process alive. */
  after(delayMs: number, fire: () => void): () => void;
}

/** setTimeout fires at once for delays beyond 2^31 − 1 ms; longer ones are cut there and must be re-armed. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, fire) {
    const timer = setTimeout(fire, Math.min(Math.max(0, delayMs), MAX_DELAY_MS));
    timer.unref();
    return () => {
      clearTimeout(timer);
    };
  },
};
