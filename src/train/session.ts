import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { FedrotError } from '../errors.js';
import { workerUrl } from '../worker-url.js';
import type { SessionOptions, TrainSession } from './session-types.js';
import { WorkerCalls } from './worker-calls.js';

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
    step: (batches, stepOptions) => calls.call('step', batches, stepOptions),
    fillPrefix: (batch) => calls.call('fillPrefix', batch),
    saveState: () => calls.call('saveState'),
    restoreState: (state) => calls.call('restoreState', state),
    gradients: (batch) => calls.call('gradients', batch),
    evaluate: (batch, evaluateOptions) => calls.call('evaluate', batch, evaluateOptions),
    close: () => (closing ??= calls.close()),
  };
}
