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

/** What a job begins with and another may begin with too: computed by whichever comes first, and then read by the other. */
function beginning({ kind, trial }: Job): string {
  const { methodName: _name, method: _method, options: _options, rounds: _rounds, ...rest } = trial;
  const {
    serverOptimizer: _server,
    robust: _robust,
    scramble: _scramble,
    evaluateEvery: _every,
    ...shared
  } = rest;
  return JSON.stringify([kind, shared]);
}

/**
 * The next job: the first that begins otherwise than those under way, so that two threads do not compute the same first round at the same
 * time; where there is none, the first.
 */
export function takeJob(waiting: Job[], running: readonly Job[]): Job | undefined {
  const busy = new Set(running.map(beginning));
  const at = waiting.findIndex((job) => !busy.has(beginning(job)));
  return waiting.splice(Math.max(at, 0), 1)[0];
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
  const running = new Map<number, Job>();
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
      Array.from({ length: count }, (_, thread) => {
        const worker = new Worker(workerUrl(import.meta.url, './study-worker.js'), { workerData: setup });
        const exited = new Promise<void>((done) => {
          worker.once('exit', () => {
            done();
          });
        });
        threads.push({ worker, exited });
        const next = (): Job | undefined => {
          running.delete(thread);
          const job = takeJob(waiting, [...running.values()]);
          if (job !== undefined) running.set(thread, job);
          return job;
        };
        return serve(worker, next, hooks, ended.signal);
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
