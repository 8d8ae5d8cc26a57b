import { Worker } from 'node:worker_threads';
import { FedrotError } from '../../errors.js';

/** For objects that do not live long, MB. Tensors and chunks lie elsewhere: threads need little, and by default would take six times as much each. */
const YOUNG_MB = 8;

/** So long a thread is kept that has nothing to do, ms. */
const IDLE_MS = 30_000;

export interface ThreadSettings {
  /** What runs in it. */
  readonly url: URL;
  readonly workerData?: unknown;
  /** Ended when it has had nothing to do for so long, ms: its memory goes back to the system. Default 30,000. */
  readonly idleMs?: number;
}

export interface ThreadEvents {
  /** What it posts. */
  readonly onMessage: (message: unknown) => void;
  /** It died of itself: of an error, or with an exit code. Not called where it was ended. */
  readonly onDeath: (cause: Error) => void;
}

/**
 * A worker thread that is started when it is needed and kept in between, since starting one and loading its modules takes longer than
 * most of what it does; after one that died or was ended comes another. Holds the process only while it is at work.
 */
export class KeptThread {
  readonly #settings: ThreadSettings;
  readonly #events: ThreadEvents;
  #worker: Worker | undefined;
  #before: Promise<unknown> = Promise.resolve();
  #idle: NodeJS.Timeout | undefined;

  constructor(settings: ThreadSettings, events: ThreadEvents) {
    this.#settings = settings;
    this.#events = events;
  }

  /** Resolves when no thread that died or was ended is still there: nothing of it is still being done. */
  async nothingBefore(): Promise<void> {
    let seen;
    do {
      seen = this.#before;
      await seen;
    } while (seen !== this.#before);
  }

  /** The one that runs, as a token to recognise it by. */
  get current(): object | undefined {
    return this.#worker;
  }

  /** Starts a thread where there is none, which is not put to its end before `rest`. */
  work(): void {
    clearTimeout(this.#idle);
    this.#worker ??= this.#start();
    this.#worker.ref();
  }

  /** To the thread, where there is one; `give` is its own from now on. */
  post(message: unknown, give: readonly ArrayBuffer[] = []): void {
    this.#worker?.postMessage(message, [...give]);
  }

  /** It has nothing to do. */
  rest(): void {
    clearTimeout(this.#idle);
    if (this.#worker === undefined) return;
    this.#worker.unref();
    this.#idle = setTimeout(() => this.end(), this.#settings.idleMs ?? IDLE_MS);
    this.#idle.unref();
  }

  /** Ends it, whatever it does. */
  end(): void {
    clearTimeout(this.#idle);
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker !== undefined) this.#awaitEnd(worker.terminate());
  }

  #awaitEnd(ended: Promise<unknown>): void {
    this.#before = Promise.all([this.#before, ended]).then(() => undefined);
  }

  #start(): Worker {
    const { url, workerData } = this.#settings;
    const worker = new Worker(url, { workerData, resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB } });
    const exited = new Promise((resolve) => worker.once('exit', resolve));
    const died = (cause: Error): void => {
      if (this.#worker !== worker) return; // it was ended, and another may be at work
      this.#worker = undefined;
      this.#awaitEnd(exited);
      clearTimeout(this.#idle);
      this.#events.onDeath(cause);
    };
    worker.on('message', (message: unknown) => {
      if (this.#worker === worker) this.#events.onMessage(message);
    });
    worker.on('error', (thrown: unknown) => {
      died(thrown instanceof Error ? thrown : new FedrotError('internal', `thrown: ${String(thrown)}`));
    });
    worker.on('exit', (exitCode) => {
      died(new FedrotError('internal', `the thread ended (${exitCode}) without an answer`));
    });
    return worker;
  }
}
