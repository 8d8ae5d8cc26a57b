// Trains the model of random-llama.mjs for a few steps on one batch of random tokens, and says how much memory that took.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { int64, nextTokens, openTrainer } from './open-trainer.mjs';
import { peakMemory } from './serve.mjs';

const [folder, text] = process.argv.slice(2);
const { batch, sequence, steps, threads } = JSON.parse(text);
const { adaptable, parameters, vocabulary } = JSON.parse(readFileSync(join(folder, 'modules.json'), 'utf8'));
const started = performance.now();
const trainer = await openTrainer({
  folder,
  lora: adaptable
    .filter(({ name }) => /\.(q|v)_proj$/.test(name))
    .map((module) => ({ module, rank: 8, scale: 2 })),
  threads,
  learningRate: 1e-3,
});
const openMs = performance.now() - started;
const dims = [batch, sequence];
const ids = Array.from({ length: batch * sequence }, (_, i) => (i * 7919 + 13) % vocabulary);
const data = {
  inputs: { input_ids: int64(ids, dims), attention_mask: int64(new Array(ids.length).fill(1), dims) },
  labels: int64(nextTokens(ids, sequence), dims),
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
