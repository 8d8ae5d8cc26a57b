// fedrot's side of bench:train: imports the checkpoint where that is not done yet, then trains on request.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { int64, nextTokens, openTrainer } from './open-trainer.mjs';
import { peakMemory, serve, timed } from './serve.mjs';

/** Writes model.onnx and modules.json beside the checkpoint; not part of what is timed. */
async function prepare({ folder, task }) {
  const home = join(folder, 'fedrot');
  if (existsSync(join(home, 'modules.json'))) return {};
  const { openCheckpoint } = await import('../../dist/model/checkpoint.js');
  const { importCheckpoint } = await import('../../dist/model/import-checkpoint.js');
  const { inlineSink } = await import('../../dist/model/weight-sink.js');
  const { saveModel } = await import('../../dist/train/ir/files.js');
  mkdirSync(home, { recursive: true });
  const checkpoint = await openCheckpoint(join(folder, 'checkpoint'));
  const imported = importCheckpoint(checkpoint, inlineSink, { seed: 0, task });
  checkpoint.close();
  saveModel(imported.model, home);
  const inputs = imported.model.graph.inputs.map(({ name }) => name);
  writeFileSync(join(home, 'modules.json'), JSON.stringify({ adaptable: imported.adaptable, inputs }));
  return {};
}

let trainer;
let batch;

/** The same numbers as the Python side draws: a linear congruential generator. */
function draw(seed, count, bound) {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (state * 48271) % 2147483647;
    return state % bound;
  });
}

async function open({
  folder,
  targets,
  layers,
  rank,
  alpha,
  threads,
  shape,
  vocabulary,
  classes,
  task,
  prefix,
}) {
  const { adaptable, inputs } = JSON.parse(readFileSync(join(folder, 'fedrot/modules.json'), 'utf8'));
  const wanted = adaptable.filter(
    ({ name }) =>
      targets.some((target) => name.endsWith(`.${target}`)) &&
      (layers === undefined || layers.some((layer) => name.includes(`.${layer}.`))),
  );
  const lora = wanted.map((module) => ({ module, rank, scale: alpha / rank }));
  trainer = await openTrainer({
    folder: join(folder, 'fedrot'),
    lora,
    threads,
    learningRate: 1e-4,
    ...(prefix ? { prefixCache: { memoryBytes: 1 << 30 } } : {}),
  });
  const [rows, length] = shape;
  const ids = draw(1, rows * length, vocabulary);
  const fills = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: ids.map(() => 0) };
  const labels =
    task === 'causal-lm' ? int64(nextTokens(ids, length), shape) : int64(draw(2, rows, classes), [rows]);
  batch = { inputs: Object.fromEntries(inputs.map((name) => [name, int64(fills[name], shape)])), labels };
  const { loss } = await trainer.step([batch]);
  return { loss, sites: lora.length, cachedShare: trainer.cachedShare, prepacked: trainer.prepacked };
}

/** Billions of floating-point operations a second of one bare product. */
async function product({ size: [rows, from, to], threads, repeats, prepacking }) {
  const { GraphBuilder } = await import('../../dist/train/ir/builder.js');
  const { encodeModel } = await import('../../dist/train/ir/codec.js');
  const { floatTensor } = await import('../../dist/train/ir/tensor-value.js');
  const { openRuntime } = await import('../../dist/train/ort.js');
  const builder = new GraphBuilder({ opset: 18 });
  builder.input('x', 'float', ['rows', from]);
  builder.initializer('w', floatTensor([from, to], new Float32Array(from * to).fill(0.5)));
  builder.op('ReduceMax', [builder.op('MatMul', ['x', 'w'])], { keepdims: { kind: 'int', value: 0 } }, 'y');
  builder.output('y', 'float', []);
  const runtime = await openRuntime(encodeModel(builder.build()), { threads, prepacking });
  const x = { type: 'float', dims: [rows, from], data: new Float32Array(rows * from).fill(0.25) };
  await runtime.run({ x }, ['y']);
  const times = [];
  for (let i = 0; i < repeats; i++) times.push((await timed(() => runtime.run({ x }, ['y']))).ms);
  await runtime.close();
  times.sort((a, b) => a - b);
  return { gflops: (2 * rows * from * to) / times[times.length >> 1] / 1e6 };
}

await serve({
  prepare,
  open,
  product,
  step: async () => ({ ms: (await timed(() => trainer.step([batch]))).ms }),
  forward: async () => ({ ms: (await timed(() => trainer.evaluate(batch, { logits: false }))).ms }),
  memory: async () => ({ bytes: peakMemory() }),
});
await trainer?.close();
