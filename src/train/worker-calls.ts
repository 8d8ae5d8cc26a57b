import type { Worker } from 'node:worker_threads';
import { FedrotError } from '../errors.js';
import type { Arguments, Method, Reply, Result } from './session-protocol.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: FedrotError) => void;
}

/** Requests to one worker, answered by id. A worker that dies fails everything that waits, and everything after. */
export class WorkerCalls {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #dead: FedrotError | undefined;
  readonly #exited: Promise<void>;

  constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', (reply: Reply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      if ('failure' in reply) {
        const { code, message, details } = reply.failure;
        waiting?.reject(new FedrotError(code, message, { details }));
      } else waiting?.resolve(reply.value);
    });
    worker.on('error', (error) => {
      this.#fail(
        new FedrotError('internal', `the training thread crashed: ${error.message}`, { cause: error }),
      );
    });
    this.#exited = new Promise((resolve) => {
      worker.on('exit', (code) => {
        this.#fail(
          new FedrotError('internal', `the training session is closed (its thread ended with code ${code})`),
        );
        resolve();
      });
    });
  }

  #fail(error: FedrotError): void {
    this.#dead ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#dead);
  }

  /** The answer that comes by itself, with id 0. */
  opening(): Promise<unknown> {
    return this.#wait(0);
  }

  #wait(id: number): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead);
    return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
  }

  call<M extends Method>(method: M, ...args: Arguments<M>): Promise<Result<M>> {
    const id = this.#next++;
    const answer = this.#wait(id) as Promise<Result<M>>;
    if (this.#dead === undefined) this.#worker.postMessage({ id, method, args });
    return answer;
  }

  async close(): Promise<void> {
    if (this.#dead === undefined) await this.call('close');
    await this.#exited;
  }

  async kill(): Promise<void> {
    await this.#worker.terminate();
  }
}
