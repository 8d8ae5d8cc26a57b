// Tries the inputs of one target and tells the parent how it gets on: { at }, { finding }, { done }.
import { parseArgs } from 'node:util';
import { Random } from '../../dist/random.js';
import { BROKEN } from './broken.mjs';
import { inputOf } from './mutate.mjs';
import { isAnswer, TARGETS } from './targets.mjs';

const { values } = parseArgs({
  options: {
    target: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
  },
});
const [seed, from, to] = [values.seed, values.from, values.to].map(Number);
const target = TARGETS[values.target] ?? BROKEN[values.target];

const MIB = 2 ** 20;
/** One input of at most 64 KiB must not take more than this. */
const MOST_PEAK = 512 * MIB;
/** What may stay behind after all inputs, beyond what stayed after the first part. */
const MOST_GROWTH = 32 * MIB;
const BATCH = 100;

/** Bytes that are really in use: what the garbage collector cannot free. */
function inUse() {
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const tell = (message) => process.send(message);
const randomOf = (index) => {
  const random = Random.of(seed, values.target, index);
  return { int: (below) => Math.floor(random.uniform(0, below)) };
};

// Rejections that nobody waits for are findings too.
let stray;
process.on('unhandledRejection', (error) => {
  stray = error;
});

let answers = 0;
let base;
let peak = process.memoryUsage.rss();
for (let index = from; index < to; index++) {
  if ((index - from) % BATCH === 0) tell({ at: index });
  const bytes = inputOf(randomOf(index), target, index);
  const finding = (what) => tell({ finding: { index, what, input: Buffer.from(bytes).toString('base64') } });
  try {
    await target.run(bytes);
  } catch (thrown) {
    if (isAnswer(thrown)) answers++;
    else finding(`${thrown?.name ?? 'Thrown'}: ${thrown?.message ?? String(thrown)}\n${thrown?.stack ?? ''}`);
  }
  if (stray !== undefined) {
    finding(`unhandled rejection: ${String(stray)}`);
    stray = undefined;
  }
  const rss = process.memoryUsage.rss();
  if (rss - peak > MOST_PEAK) finding(`memory: ${Math.round((rss - peak) / MIB)} MiB for one input`);
  peak = Math.max(peak, rss);
  if (base === undefined && index - from >= (to - from) / 4) base = inUse();
}
const growth = base === undefined ? 0 : inUse() - base;
if (growth > MOST_GROWTH)
  tell({
    finding: {
      index: to,
      what: `memory: ${Math.round(growth / MIB)} MiB more are in use than after a quarter`,
    },
  });
process.send({ done: { inputs: to - from, answers, growth } }, () => process.exit(0));
