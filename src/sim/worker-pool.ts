import { Worker } from 'node:worker_threads';
import { FedrotError } from '../errors.js';
import { workerUrl } from '../worker-url.js';
import type { TrialResult } from './results.js';
import type { Job, WorkerReply, WorkerSetup } from './worker-protocol.js';

interface Hooks {
  readonly onRound: (job: Job, round: number) => void;
  readonly onDone: (job: Job, result: TrialResult | undefined) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does all jobs on so many threads, each taking the next one when it is free. The first failure, or the signal, ends all of them after the
 * step under way: what was done before has been told already. Throws that failure; cancelled.
 */
export async function performJobs(
  jobs: readonly Job[],
  workers: number,
  setup: WorkerSetup,
  hooks: Hooks,
): Promise<void> {
  const waiting = [...jobs];
  const threads: { readonly worker: Worker; readonly exited: Promise<void> }[] = [];
  const ended = new AbortController();
  const stop = (): void => {
    ended.abort(new FedrotError('cancelled', 'the study was stopped'));
  };
  hooks.signal?.addEventListener('abort', stop, { once: true });
  if (hooks.signal?.aborted === true) stop();
  try {
    const count = Math.min(workers, waiting.length);
    await Promise.all(
      Array.from({ length: count }, () => {
        const worker = new Worker(workerUrl(import.meta.url, './study-worker.js'), { workerData: setup });
        const exited = new Promise<void>((done) => {
          worker.once('exit', () => {
            done();
          });
        });
        threads.push({ worker, exited });
        return serve(worker, () => waiting.shift(), hooks, ended.signal);
      }),
    );
  } finally {
    hooks.signal?.removeEventListener('abort', stop);
    waiting.length = 0;
    for (const { worker } of threads) worker.postMessage('end');
    await Promise.all(threads.map(({ exited }) => exited));
  }
}

/** Gives a worker one job after the other until none is left. */
function serve(
  worker: Worker,
  next: () => Job | undefined,
  hooks: Hooks,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let job: Job | undefined;
    const give = (): void => {
      job = next();
      worker.postMessage(job ?? 'end');
    };
    const stopped = (): void => {
      reject(signal.reason as FedrotError);
    };
    signal.addEventListener('abort', stopped, { once: true });
    if (signal.aborted) stopped();
    worker.on('message', (reply: WorkerReply) => {
      if (job === undefined) return;
      if (reply.kind === 'round') hooks.onRound(job, reply.round);
      else if (reply.kind === 'done') {
        hooks.onDone(job, reply.result);
        give();
      } else reject(new FedrotError(reply.code, reply.message, { details: { workerStack: reply.stack } }));
    });
    worker.on('error', (cause) => {
      reject(new FedrotError('internal', `a worker failed: ${cause.message}`, { cause }));
    });
    worker.on('exit', () => {
      if (job === undefined) resolve();
      else reject(new FedrotError('internal', 'a worker ended before its job was done'));
    });
    give();
  });
}
