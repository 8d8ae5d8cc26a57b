import { Worker, type WorkerOptions } from 'node:worker_threads';
import { FedrotError } from '../../errors.js';
import type { WorkerAnswer } from './aggregation-job.js';

export interface WarmWorkerOptions {
  readonly url: URL;
  readonly worker?: Pick<WorkerOptions, 'workerData' | 'resourceLimits'>;
  /** Ended when it has had nothing to do for so long: its memory goes back to the system. */
  readonly idleMs: number;
}

/**
 * A worker thread that does one job after the other and is kept in between: starting one and loading its modules takes longer than a
 * small round. A job that is called off ends the thread, and so does one that it dies of; the next job starts another.
 */
export class WarmWorker {
  readonly #options: WarmWorkerOptions;
  #worker: Worker | undefined;
  #idle: NodeJS.Timeout | undefined;
  #answer: ((answer: WorkerAnswer<never>) => void) | undefined;
  #died: ((error: FedrotError) => void) | undefined;

  constructor(options: WarmWorkerOptions) {
    this.#options = options;
  }

  get busy(): boolean {
    return this.#answer !== undefined;
  }

  /** Starts the thread, where there is none, and puts its end off. */
  warm(): void {
    this.#worker ??= this.#start();
    if (!this.busy) this.#rest();
  }

  /** While it is not busy. Throws what the job throws; cancelled on abort; internal where the thread dies. */
  async run<T>(job: unknown, signal: AbortSignal): Promise<T> {
    if (signal.aborted) throw calledOff();
    this.warm();
    clearTimeout(this.#idle);
    const worker = this.#worker;
    let stop: () => void = () => undefined;
    try {
      const answer = await new Promise<WorkerAnswer<T>>((resolve, reject) => {
        this.#answer = resolve;
        this.#died = reject;
        stop = () => {
          reject(calledOff());
          this.end();
        };
        signal.addEventListener('abort', stop, { once: true });
        worker?.ref();
        worker?.postMessage(job);
      });
      if ('outcome' in answer) return answer.outcome;
      const { code, message, stack } = answer.error;
      throw new FedrotError(code, message, { details: { workerStack: stack } });
    } finally {
      signal.removeEventListener('abort', stop);
      this.#answer = this.#died = undefined;
      this.#rest();
    }
  }

  /** Ends the thread, whatever it does. */
  end(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    void worker?.terminate();
  }

  #start(): Worker {
    const worker = new Worker(this.#options.url, this.#options.worker);
    worker.unref();
    const gone = (error: FedrotError): void => {
      if (this.#worker !== worker) return; // it was ended, and another may be at work
      this.#worker = undefined;
      this.#died?.(error);
    };
    worker.on('message', (answer: WorkerAnswer<never>) => {
      if (this.#worker === worker) this.#answer?.(answer);
    });
    worker.on('error', (cause) => {
      gone(new FedrotError('internal', 'the aggregation worker failed', { cause }));
    });
    worker.on('exit', (exitCode) => {
      gone(new FedrotError('internal', `the aggregation worker ended (${exitCode}) without an answer`));
    });
    return worker;
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#worker?.unref();
    this.#idle = setTimeout(() => {
      this.end();
    }, this.#options.idleMs);
    this.#idle.unref();
  }
}

const calledOff = (): FedrotError => new FedrotError('cancelled', 'the aggregation was called off');
