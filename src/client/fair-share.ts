/** What is waiting, of which run and with which share. */
export interface Claim {
  readonly runId: string;
  /** The run's weight: `share` of its specification. */
  readonly share: number;
}

/**
 * Time shared fairly among the runs that a silo serves: start-time fair queueing (Goyal, Vin & Cheng 1997). A run's virtual time is the time
 * that was spent on it divided by its share; next is the one whose is least. A run that had nothing to do saves up nothing: it begins
 * where the others are. So while several wait, each gets time in proportion to its share, and none starves, however long the others' tasks.
 */
export class FairShare {
  readonly #virtualMs = new Map<string, number>();
  /** Virtual time of the work that was begun last. */
  #nowMs = 0;

  /** A run that had nothing waiting or under way has something now. */
  enter({ runId }: Claim): void {
    this.#virtualMs.set(runId, Math.max(this.#virtualMs.get(runId) ?? 0, this.#nowMs));
  }

  /** Which of the waiting ones is next: of equals, the one that came first. Undefined where none waits. */
  next<T extends Claim>(waiting: readonly T[]): T | undefined {
    const first = waiting.reduce<T | undefined>(
      (best, claim) => (best === undefined || this.#of(claim) < this.#of(best) ? claim : best),
      undefined,
    );
    if (first !== undefined) this.#nowMs = Math.max(this.#nowMs, this.#of(first));
    return first;
  }

  /** So much time was spent on a run's work, ms. */
  spent({ runId, share }: Claim, ms: number): void {
    this.#virtualMs.set(runId, (this.#virtualMs.get(runId) ?? 0) + Math.max(0, ms) / share);
  }

  #of({ runId }: Claim): number {
    return this.#virtualMs.get(runId) ?? 0;
  }
}
