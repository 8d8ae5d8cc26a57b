import { parentPort, workerData } from 'node:worker_threads';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Job, WorkerReply, WorkerSetup } from './worker-protocol.js';
import { Workshop } from './workshop.js';

/** A thread that does one job of a study after the other; ONNX Runtime blocks it. */

const port = parentPort;
if (port === null) throw new FedrotError('internal', 'study-worker runs only as a worker thread');

const answer = (reply: WorkerReply): void => port.postMessage(reply);
const workshop = new Workshop(workerData as WorkerSetup);

async function perform(job: Job): Promise<WorkerReply> {
  try {
    if (job.kind === 'prepare') {
      await workshop.prepare(job.trial);
      return { kind: 'done' };
    }
    const result = await workshop.run(job.id, job.trial, (round) => answer({ kind: 'round', round }));
    return { kind: 'done', result };
  } catch (thrown) {
    const { code, message, stack } = asFedrotError(thrown);
    return { kind: 'error', code, message, ...(stack === undefined ? {} : { stack }) };
  }
}

port.on('message', (job: Job | 'end') => {
  if (job === 'end') void workshop.close().then(() => port.close());
  else void perform(job).then(answer);
});
