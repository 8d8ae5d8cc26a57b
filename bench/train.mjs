// fedrot against PyTorch + PEFT, one LoRA step after the other on the same CPU: `npm run bench:train`.
// Each side is a process of its own; they take turns step by step, then forward pass by forward pass, so that what else the machine does
// hits both. One JSON line a model; the last of every model is kept in .cache/bench-train/rows.json, and --write makes the table of
// docs/performance-train.md from all of them, so that models can be measured one at a time.
//
//   npm run bench:train -- --models minilm,bert-base --steps 15 --threads 2
//   npm run bench:train -- --models '' --write           only the table
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { Child } from './train/child-process.mjs';
import { CLASSES, LORA, MODELS, necessaryFlops, productSizes } from './train/models.mjs';
import { fill, missed } from './train/report.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const here = (path) => join(root, 'bench/train', path);
const python = join(root, '.cache/venv/bin/python');

const { values } = parseArgs({
  options: {
    models: { type: 'string', default: 'minilm,minilm-top2,bert-base,stories15m' },
    steps: { type: 'string', default: '11' },
    warmup: { type: 'string', default: '2' },
    threads: { type: 'string', default: String(availableParallelism()) },
    batch: { type: 'string', default: '8' },
    sequence: { type: 'string', default: '128' },
    write: { type: 'boolean', default: false },
  },
});
const [steps, warmup, threads, batch, sequence] = ['steps', 'warmup', 'threads', 'batch', 'sequence'].map(
  (name) => Number(values[name]),
);
const names = values.models.split(',').filter((name) => name !== '');
const unknown = names.find((name) => MODELS[name] === undefined);
if (
  unknown !== undefined ||
  ![steps, warmup, threads, batch, sequence].every((n) => Number.isInteger(n) && n >= 0)
) {
  process.stderr.write(
    `bench:train: models are ${Object.keys(MODELS).join(', ')}; the other options are whole numbers\n`,
  );
  process.exit(2);
}
const hasTorch = existsSync(python);
if (!hasTorch)
  process.stderr.write(
    'no PyTorch here (node scripts/python-env.mjs --peft installs it): the checkpoints cannot be made\n',
  );

const median = (times) => [...times].sort((a, b) => a - b)[times.length >> 1];

async function measure(name) {
  const model = MODELS[name];
  const folder = join(root, '.cache/bench-train', name);
  mkdirSync(folder, { recursive: true });
  const task = model.kind === 'llama' ? 'causal-lm' : 'text-classification';
  const wish = {
    folder,
    task,
    targets: model.targets,
    ...(model.layers === undefined ? {} : { layers: model.layers }),
    ...LORA,
    threads,
    shape: [batch, sequence],
    vocabulary: model.base.vocab_size,
    classes: CLASSES,
  };
  const torchChild = () => new Child(python, [here('peft_child.py')], { OMP_NUM_THREADS: String(threads) });
  const fedrotChild = () => new Child(process.execPath, [here('fedrot-child.mjs')]);

  const maker = torchChild();
  await maker.ask({ ask: 'make', folder, kind: model.kind, base: model.base, classes: CLASSES });
  await maker.end();
  const importer = fedrotChild();
  await importer.ask({ ask: 'prepare', folder, task });

  /** Opens a side in a new process; time to the end of its first step. */
  const start = async (child, more = {}) => {
    const started = performance.now();
    const answer = await child.ask({ ask: 'open', ...wish, ...more });
    return { child, firstStepMs: performance.now() - started, step: [], forward: [], ...answer };
  };
  const sides = { fedrot: await start(fedrotChild()), torch: await start(torchChild()) };
  if (model.prefix) sides.cached = await start(fedrotChild(), { prefix: true });
  for (const what of ['step', 'forward'])
    for (let round = 0; round < warmup + steps; round++)
      for (const side of Object.values(sides)) {
        const { ms } = await side.child.ask({ ask: what });
        if (round >= warmup) side[what].push(ms);
      }
  const peaks = { plain: [], prepacked: [], torch: [] };
  for (const size of productSizes(model, { batch, sequence })) {
    const ask = { ask: 'product', size, threads, repeats: 9 };
    peaks.plain.push((await importer.ask(ask)).gflops);
    peaks.prepacked.push((await importer.ask({ ...ask, prepacking: true })).gflops);
    peaks.torch.push((await sides.torch.child.ask(ask)).gflops);
  }
  await importer.end();
  const prepacked = sides.fedrot.prepacked;
  const bytes = {};
  for (const [side, { child }] of Object.entries(sides)) {
    bytes[side] = (await child.ask({ ask: 'memory' })).bytes;
    await child.end();
  }

  const tokens = batch * sequence;
  const stepMs = median(sides.fedrot.step);
  const torchMs = median(sides.torch.step);
  const forwardMs = median(sides.fedrot.forward);
  const { step: flops } = necessaryFlops(model, { batch, sequence });
  const peakGflops = median(peaks[prepacked ? 'prepacked' : 'plain']);
  const torchPeakGflops = median(peaks.torch);
  const row = {
    model: name,
    batch,
    sequence,
    threads,
    sites: sides.fedrot.sites,
    loss: sides.fedrot.loss,
    torchLoss: sides.torch.loss,
    stepMs,
    torchStepMs: torchMs,
    forwardMs,
    torchForwardMs: median(sides.torch.forward),
    tokensPerSecond: (1000 * tokens) / stepMs,
    torchTokensPerSecond: (1000 * tokens) / torchMs,
    speedup: torchMs / stepMs,
    // What a step of nothing but its necessary products would be, at the faster of both bare speeds.
    bound: torchMs / (flops / Math.max(peakGflops, torchPeakGflops) / 1e6),
    memoryMB: bytes.fedrot / 1e6,
    torchMemoryMB: bytes.torch / 1e6,
    memoryRatio: bytes.fedrot / bytes.torch,
    firstStepMs: sides.fedrot.firstStepMs,
    torchFirstStepMs: sides.torch.firstStepMs,
    trainForward: stepMs / forwardMs,
    gflops: flops / stepMs / 1e6,
    prepacked,
    peakGflops,
    torchPeakGflops,
    peakShare: flops / stepMs / 1e6 / peakGflops,
    ...(sides.cached === undefined
      ? {}
      : { cachedStepMs: median(sides.cached.step), prefixSpeedup: stepMs / median(sides.cached.step) }),
  };
  return { ...row, missed: missed(row) };
}

if (!hasTorch) process.exit(1);
const kept = join(root, '.cache/bench-train/rows.json');
const rows = existsSync(kept) ? JSON.parse(readFileSync(kept, 'utf8')) : {};
for (const name of names) {
  const row = await measure(name);
  const machine = {
    cpu: cpus()[0]?.model ?? 'unknown CPU',
    threads,
    node: process.versions.node,
    date: new Date().toISOString().slice(0, 10),
    steps,
  };
  rows[name] = { ...row, machine };
  mkdirSync(dirname(kept), { recursive: true });
  writeFileSync(kept, JSON.stringify(rows, undefined, 1));
  process.stdout.write(`${JSON.stringify(row)}\n`);
}
if (values.write) {
  const file = join(root, 'docs/performance-train.md');
  const known = Object.keys(MODELS).flatMap((name) => (rows[name] === undefined ? [] : [rows[name]]));
  const text = fill(readFileSync(file, 'utf8'), known);
  writeFileSync(file, await format(text, { ...(await resolveConfig(file)), filepath: file }));
}
