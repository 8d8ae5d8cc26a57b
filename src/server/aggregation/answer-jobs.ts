import { parentPort } from 'node:worker_threads';
import { asFedrotError } from '../../errors.js';
import { collectGarbage } from '../collect-garbage.js';
import type { WorkerAnswer } from './aggregation-job.js';

/** In a worker thread: does every job that comes, and answers. */
export function answerJobs(perform: (job: unknown) => unknown): void {
  const answer = (job: unknown): WorkerAnswer<unknown> => {
    try {
      return { outcome: perform(job) };
    } catch (thrown) {
      const { code, message, stack } = asFedrotError(thrown);
      return { error: { code, message, ...(stack === undefined ? {} : { stack }) } };
    }
  };
  parentPort?.on('message', (job: unknown) => {
    parentPort?.postMessage(answer(job));
    collectGarbage();
  });
}
