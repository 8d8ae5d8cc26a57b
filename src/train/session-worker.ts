import { parentPort, workerData } from 'node:worker_threads';
import { asFedrotError, FedrotError } from '../errors.js';
import type { Failure, Reply, Request } from './session-protocol.js';
import type { SessionOptions } from './session-types.js';
import { Trainer } from './trainer.js';

/** The thread behind a TrainSession: opens a Trainer and answers one request after the other. */

const port = parentPort;
if (port === null) throw new FedrotError('internal', 'session-worker runs only as a worker thread');

function describe(thrown: unknown): Failure {
  const { code, message, cause } = asFedrotError(thrown);
  const stack = thrown instanceof Error ? thrown.stack : undefined;
  return { code, message, details: { stack, ...(cause instanceof Error ? { cause: cause.message } : {}) } };
}

function answer(reply: Reply): void {
  port?.postMessage(reply);
}

async function perform(trainer: Trainer, request: Request): Promise<unknown> {
  switch (request.method) {
    case 'load':
      trainer.load(...request.args);
      return undefined;
    case 'read':
      return trainer.read();
    case 'resetOptimizer':
      trainer.resetOptimizer(...request.args);
      return undefined;
    case 'step':
      return trainer.step(...request.args);
    case 'fillPrefix':
      return trainer.fillPrefix(...request.args);
    case 'gradients':
      return trainer.gradients(...request.args);
    case 'saveState':
      return trainer.saveState();
    case 'restoreState':
      trainer.restoreState(...request.args);
      return undefined;
    case 'evaluate':
      return trainer.evaluate(...request.args);
    case 'close':
      await trainer.close();
      return undefined;
  }
}

try {
  const trainer = await Trainer.open(workerData as SessionOptions);
  let last: Promise<void> = Promise.resolve();
  port.on('message', (request: Request) => {
    last = last.then(async () => {
      try {
        answer({ id: request.id, value: await perform(trainer, request) });
      } catch (error) {
        answer({ id: request.id, failure: describe(error) });
      }
      if (request.method === 'close') port.close();
    });
  });
  answer({ id: 0, value: trainer.parameters });
} catch (error) {
  answer({ id: 0, failure: describe(error) });
}
