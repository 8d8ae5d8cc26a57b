// A silo's daemon as it is, with a trainer that takes no time: what it gives depends on silo, round and starting adapter only.
import { createHash } from 'node:crypto';
import './faults.mjs';

// After the faults are in place.
const { LINK_RETRY } = await import('../../../dist/client/link/connection.js');
const { LocalTrainer } = await import('../../../dist/client/training/local-trainer.js');

// A test cannot wait ten seconds for every attempt.
LINK_RETRY.initialMs = 100;
LINK_RETRY.maxMs = 600;

/** Any time between 20 and 250 ms, so that kills find silos at work; the result does not depend on it. */
const sleep = (signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 20 + Math.random() * 230);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

LocalTrainer.prototype.train = async function ({ adapter, seed, signal, data }) {
  await sleep(signal);
  const tensors = adapter.map((tensor) => {
    const hash = createHash('sha256')
      .update(JSON.stringify([seed, tensor.name]))
      .digest();
    const phase = hash.readUInt32LE(0) / 2 ** 32;
    return {
      ...tensor,
      data: tensor.data.map((value, index) => Math.fround(value + 0.02 * Math.sin(index * 0.7 + phase * 50))),
    };
  });
  return {
    tensors,
    examples: data.examples.length,
    metrics: { loss: 0.5, steps: 1, seconds: 0.1, tokens: 10 },
  };
};
