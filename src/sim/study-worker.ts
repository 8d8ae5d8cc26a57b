import { parentPort, workerData } from 'node:worker_threads';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Job, WorkerReply, WorkerSetup } from './worker-protocol.js';
import { Workshop } from './workshop.js';

/** A thread that does one job of a study after the other; ONNX Runtime blocks it. */

const port = parentPort;
if (port === null) throw new FedrotError('internal', 'study-worker runs only as a worker thread');

const answer = (reply: WorkerReply): void => {
  port.postMessage(reply);
};
const workshop = new Workshop(workerData as WorkerSetup);
const stop = new AbortController();
let last: Promise<void> = Promise.resolve();

async function perform(job: Job): Promise<WorkerReply> {
  try {
    if (job.kind === 'prepare') {
      await workshop.prepare(job.trial, stop.signal);
      return { kind: 'done' };
    }
    const onRound = (round: number): void => {
      answer({ kind: 'round', round });
    };
    return { kind: 'done', result: await workshop.run(job.id, job.trial, onRound, stop.signal) };
  } catch (thrown) {
    const { code, message, stack } = asFedrotError(thrown);
    return { kind: 'error', code, message, ...(stack === undefined ? {} : { stack }) };
  }
}

/** A thread that is terminated inside ONNX Runtime takes the process with it: it ends by itself, after the step under way. */
const end = (): void => {
  stop.abort();
  void last
    .then(() => workshop.close())
    .then(() => {
      port.close();
    });
};

port.on('message', (job: Job | 'end') => {
  if (job === 'end') end();
  else last = perform(job).then(answer);
});
