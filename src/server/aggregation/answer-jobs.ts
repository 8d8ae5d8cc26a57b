import { parentPort } from 'node:worker_threads';
import { failure, type ThreadAnswer } from '../threads/answer.js';
import { collectGarbage } from '../threads/collect-garbage.js';

/** In a worker thread: does every job that comes, and answers. */
export function answerJobs(perform: (job: unknown) => unknown): void {
  const answer = (job: unknown): ThreadAnswer<unknown> => {
    try {
      return { outcome: perform(job) };
    } catch (thrown) {
      return failure(thrown);
    }
  };
  parentPort?.on('message', (job: unknown) => {
    parentPort?.postMessage(answer(job));
    collectGarbage();
  });
}
