import { FedrotError } from '../../errors.js';
import { outcomeOf, type ThreadAnswer } from '../threads/answer.js';
import { KeptThread, type ThreadSettings } from '../threads/kept-thread.js';

/** A thread that does one job after the other. A job that is called off ends the thread; the next job starts another. */
export class WarmWorker {
  readonly #thread: KeptThread;
  #answer: ((answer: ThreadAnswer<never>) => void) | undefined;
  #died: ((error: FedrotError) => void) | undefined;

  constructor(settings: ThreadSettings) {
    this.#thread = new KeptThread(settings, {
      onMessage: (answer) => this.#answer?.(answer as ThreadAnswer<never>),
      onDeath: (cause) => {
        this.#died?.(new FedrotError('internal', `a thread failed: ${cause.message}`, { cause }));
      },
    });
  }

  get busy(): boolean {
    return this.#answer !== undefined;
  }

  /** Starts the thread, where there is none, and puts its end off. */
  warm(): void {
    if (this.busy) return;
    this.#thread.work();
    this.#thread.rest();
  }

  /** While it is not busy. Throws what the job throws; cancelled on abort; internal where the thread dies. */
  async run<T>(job: unknown, signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw calledOff();
    let stop: () => void = () => undefined;
    try {
      const answer = await new Promise<ThreadAnswer<T>>((resolve, reject) => {
        this.#answer = resolve;
        this.#died = reject;
        stop = () => {
          reject(calledOff());
          this.end();
        };
        signal.addEventListener('abort', stop, { once: true });
        this.#thread.work();
        this.#thread.post(job);
      });
      return outcomeOf(answer);
    } finally {
      signal.removeEventListener('abort', stop);
      this.#answer = this.#died = undefined;
      this.#thread.rest();
    }
  }

  /** Ends the thread, whatever it does. */
  end(): void {
    this.#thread.end();
  }
}

const calledOff = (): FedrotError => new FedrotError('cancelled', 'the aggregation was called off');
