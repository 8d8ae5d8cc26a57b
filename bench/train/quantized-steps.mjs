// Trains the model of random-llama.mjs for a few steps on one batch of random tokens, and says how much memory that took.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Trainer } from '../../dist/train/trainer.js';
import { peakMemory } from './serve.mjs';

const [folder, text] = process.argv.slice(2);
const { batch, sequence, steps, threads } = JSON.parse(text);
const { adaptable, parameters, vocabulary } = JSON.parse(readFileSync(join(folder, 'modules.json'), 'utf8'));
const started = performance.now();
const trainer = await Trainer.open({
  folder,
  lora: adaptable
    .filter(({ name }) => /\.(q|v)_proj$/.test(name))
    .map((module) => ({ module, rank: 8, scale: 2 })),
  dense: [],
  threads,
});
trainer.load(
  trainer.parameters.map(({ name, shape }) => {
    const data = new Float32Array(shape[0] * shape[1]);
    if (name.includes('lora_A')) data.forEach((_, i) => (data[i] = Math.sin(i + 1) / Math.sqrt(shape[1])));
    return { name, shape, data };
  }),
);
trainer.resetOptimizer({
  kind: 'adamw',
  learningRate: 1e-3,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0,
});
const openMs = performance.now() - started;
const dims = [batch, sequence];
const ids = Array.from({ length: batch * sequence }, (_, i) => (i * 7919 + 13) % vocabulary);
const tensor = (numbers) => ({ dims, data: BigInt64Array.from(numbers, BigInt) });
const data = {
  inputs: { input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) },
  labels: tensor(ids.map((_, i) => ((i + 1) % sequence === 0 ? -100 : ids[i + 1]))),
};
const losses = [];
const stepMs = [];
for (let step = 0; step < steps; step++) {
  const from = performance.now();
  losses.push((await trainer.step([data])).loss);
  stepMs.push(performance.now() - from);
}
const status = readFileSync('/proc/self/status', 'utf8');
const anonymousMB = (Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? NaN) * 1024) / 1e6;
await trainer.close();
process.stdout.write(
  JSON.stringify({ parameters, losses, openMs, stepMs, peakMB: peakMemory() / 1e6, anonymousMB }),
);
