import { FedrotError } from '../../errors.js';

/** A place of an upload that is being taken; `leave` gives it to the next in the queue, once. */
export interface Place {
  leave(): void;
}

/**
 * Admits uploads in turn, first come, first served: what so many silos send at once waits with them, not in the coordinator's memory.
 * A place is for an upload that the coordinator is busy with; who keeps it waiting gives the place up and goes on without.
 */
export class UploadAdmission {
  readonly #queue = new Set<() => void>();
  #free: number;

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  /** Uploads that wait for a place. */
  get waiting(): number {
    return this.#queue.size;
  }

  /** Resolves with a place; rejects with the signal's reason. */
  async enter(signal: AbortSignal): Promise<Place> {
    if (signal.aborted) throw reasonOf(signal);
    if (this.#free > 0) this.#free--;
    else await this.#turn(signal);
    let left = false;
    return {
      leave: () => {
        if (left) return;
        left = true;
        this.#next();
      },
    };
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const admit = (): void => {
        signal.removeEventListener('abort', give);
        resolve();
      };
      const give = (): void => {
        this.#queue.delete(admit);
        reject(reasonOf(signal));
      };
      this.#queue.add(admit);
      signal.addEventListener('abort', give, { once: true });
    });
  }

  #next(): void {
    const [first] = this.#queue;
    if (first === undefined) {
      this.#free++;
      return;
    }
    this.#queue.delete(first);
    first();
  }
}

function reasonOf(signal: AbortSignal): FedrotError {
  const reason: unknown = signal.reason;
  return reason instanceof FedrotError ? reason : new FedrotError('cancelled', 'the upload was called off');
}
