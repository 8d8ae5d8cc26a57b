import { Worker } from 'node:worker_threads';
import { FedrotError } from '../../errors.js';
import { workerUrl } from '../../worker-url.js';
import type { AggregationAnswer, AggregationJob, AggregationOutcome } from './aggregation-job.js';

/** Does an aggregation: how it is done off the event loop is a parameter of the coordinator, so that tests can stand in its way. */
export type Aggregate = (job: AggregationJob, signal: AbortSignal) => Promise<AggregationOutcome>;

/** In a worker thread. Throws what performAggregation throws; cancelled on abort; internal where the worker dies. */
export const aggregateInWorker: Aggregate = (job, signal) =>
  new Promise((resolve, reject) => {
    const worker = new Worker(workerUrl(import.meta.url, './aggregate-worker.js'), { workerData: job });
    const stop = (): void => {
      reject(new FedrotError('cancelled', 'the aggregation was called off'));
      void worker.terminate();
    };
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    worker.once('message', (answer: AggregationAnswer) => {
      if ('outcome' in answer) resolve(answer.outcome);
      else
        reject(
          new FedrotError(answer.error.code, answer.error.message, {
            details: { workerStack: answer.error.stack },
          }),
        );
    });
    worker.once('error', (cause) => {
      reject(new FedrotError('internal', 'the aggregation worker failed', { cause }));
    });
    worker.once('exit', (exitCode) => {
      signal.removeEventListener('abort', stop);
      reject(new FedrotError('internal', `the aggregation worker ended (${exitCode}) without an answer`));
    });
  });
