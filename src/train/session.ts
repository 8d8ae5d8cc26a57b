import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { FedrotError } from '../errors.js';
import { workerUrl } from '../worker-url.js';
import type { Arguments, Method, Reply, Result } from './session-protocol.js';
import type { SessionOptions, TrainSession } from './session-types.js';

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: FedrotError) => void;
}

/** Requests to one worker, answered by id. A worker that dies fails everything that waits, and everything after. */
class WorkerCalls {
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

/**
 * Opens a model for training in a worker thread of its own. Parameters have no values until `load`. Throws file_invalid or not_found for the
 * model's files, model_unsupported or op_unsupported (naming op, node and opset) for a model that cannot be
 * trained, option_invalid for options that do not fit together; `internal` from every method once the thread has died.
 */
export async function openSession(options: SessionOptions): Promise<TrainSession> {
  const { threads = availableParallelism(), spinning = false } = options;
  if (!Number.isInteger(threads) || threads < 1)
    throw new FedrotError('option_invalid', `threads must be an integer of at least 1, not ${threads}`);
  const worker = new Worker(workerUrl(import.meta.url, './session-worker.js'), {
    workerData: { ...options, threads, spinning } satisfies SessionOptions,
  });
  const calls = new WorkerCalls(worker);
  let parameters: TrainSession['parameters'];
  try {
    parameters = (await calls.opening()) as TrainSession['parameters'];
  } catch (error) {
    await calls.kill();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    parameters,
    load: (tensors) => calls.call('load', tensors),
    read: () => calls.call('read'),
    resetOptimizer: (optimizer) => calls.call('resetOptimizer', optimizer),
    step: (batches) => calls.call('step', batches),
    gradients: (batch) => calls.call('gradients', batch),
    evaluate: (batch) => calls.call('evaluate', batch),
    close: () => (closing ??= calls.close()),
  };
}
