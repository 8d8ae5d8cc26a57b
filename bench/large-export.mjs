// An ONNX export whose external data are over 2 GB (protobuf's limit) becomes a bundle and trains: `npm run bench:large-export`.
// Writes a model of `--layers` layers (Tanh of a product with a random 8192 × 8192 matrix: 256 MiB each), makes a bundle of it and
// takes one LoRA step through the last two layers. Prints one JSON line: sizes, and by stage seconds and the peak of its own process
// (ru_maxrss, mapped weights included). Exits with 1 where the weights are not over 2 GB or the loss of the step is not finite.
// Needs about 5 GB of free disk in the folder for temporary files, and 3 GB of memory.
//
//   npm run bench:large-export -- --layers 9 --threads 2
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const WIDTH = 8192;
const MATRIX_BYTES = WIDTH * WIDTH * 4;
const ROWS_AT_ONCE = 64;
const TOKENIZER = fileURLToPath(new URL('../test/data/tiny-tokenizer.json', import.meta.url));
const VOCABULARY = Object.keys(JSON.parse(readFileSync(TOKENIZER, 'utf8')).model.vocab).length;

const { values } = parseArgs({
  options: {
    layers: { type: 'string', default: '9' },
    threads: { type: 'string', default: String(availableParallelism()) },
    /** How this script calls itself. */
    stage: { type: 'string' },
    folder: { type: 'string', default: '' },
  },
});
const [layers, threads] = [Number(values.layers), Number(values.threads)];
if (![layers, threads].every((number) => Number.isInteger(number) && number >= 1) || layers < 2) {
  process.stderr.write(
    'bench:large-export: --layers is a whole number of at least 2, --threads of at least 1\n',
  );
  process.exit(2);
}
const at = (...parts) => join(values.folder, ...parts);

/** The external data: equal rows but for their first number, so that writing them takes no time to speak of. */
function writeWeights() {
  const rows = Float32Array.from(
    { length: WIDTH * ROWS_AT_ONCE },
    (_, i) => Math.sin(i * 12.9898) / Math.sqrt(WIDTH),
  );
  const file = openSync(at('weights.bin'), 'w');
  for (let i = 0; i < (layers * WIDTH) / ROWS_AT_ONCE; i++) {
    rows[0] = i / WIDTH;
    writeSync(file, rows);
  }
  closeSync(file);
}

/** Embedding, layers, mean over the tokens, a head of two classes. */
async function writeModel() {
  const { GraphBuilder } = await import('../dist/train/ir/builder.js');
  const { encodeModel } = await import('../dist/train/ir/codec.js');
  const { floatTensor, int64Vector } = await import('../dist/train/ir/tensor-value.js');
  const { int } = await import('../dist/train/ir/attributes.js');
  const builder = new GraphBuilder({ opset: 18 });
  for (const name of ['input_ids', 'attention_mask']) builder.input(name, 'int64', ['batch', 'sequence']);
  const float = (name, dims, value) =>
    builder.initializer(
      name,
      floatTensor(
        dims,
        Float32Array.from({ length: dims[0] * dims[1] }, (_, i) => value(i)),
      ),
    );
  let x = builder.op('Gather', [float('embedding', [VOCABULARY, WIDTH], Math.cos), 'input_ids']);
  for (let layer = 0; layer < layers; layer++) {
    const data = {
      kind: 'external',
      file: 'weights.bin',
      offset: layer * MATRIX_BYTES,
      length: MATRIX_BYTES,
    };
    const weight = builder.initializer(`layer.${layer}.weight`, {
      type: 'float',
      dims: [WIDTH, WIDTH],
      data,
    });
    x = builder.op('Tanh', [builder.op('MatMul', [x, weight])]);
  }
  const present = builder.op('Cast', ['attention_mask'], { to: int(1) });
  const mask = builder.op('Unsqueeze', [present, builder.constant(int64Vector([2]))]);
  const masked = builder.op('Mul', [x, mask]);
  const mean = builder.op('ReduceMean', [masked, builder.constant(int64Vector([1]))], { keepdims: int(0) });
  builder.op(
    'MatMul',
    [mean, float('classifier.weight', [WIDTH, 2], (i) => Math.sin(i) / 100)],
    {},
    'logits',
  );
  builder.output('logits', 'float', ['batch', 2]);
  writeFileSync(at('model.onnx'), encodeModel(builder.build()));
}

/** Each stage is a process; what it returns is in the printed line. */
const STAGES = {
  async export() {
    writeWeights();
    copyFileSync(TOKENIZER, at('tokenizer.json'));
    await writeModel();
    return { weightsBytes: statSync(at('weights.bin')).size };
  },

  async bundle() {
    const { createBundle } = await import('../dist/model/create-bundle.js');
    await createBundle({
      onnx: at('model.onnx'),
      out: at('bundle'),
      labels: ['ham', 'spam'],
      maxTokens: 16,
      seed: 0,
    });
    return { bundleBytes: statSync(at('bundle/model.onnx.data')).size };
  },

  async step() {
    const { openBundle } = await import('../dist/model/bundle.js');
    const { resolveLora } = await import('../dist/model/resolve-lora.js');
    const { initialAdapter } = await import('../dist/model/initial-adapter.js');
    const { Trainer } = await import('../dist/train/trainer.js');
    const bundle = await openBundle(at('bundle'), { verify: false });
    const targetModules = [`/layer\\.(${layers - 2}|${layers - 1})/`];
    const lora = { rank: 4, alpha: 8, rsLora: false, targetModules, modulesToSave: [] };
    const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, lora), threads });
    try {
      trainer.load(initialAdapter(bundle, lora, 1));
      trainer.resetOptimizer({ kind: 'sgd', learningRate: 0.1, momentum: 0, weightDecay: 0 });
      const row = (...numbers) => ({ dims: [1, numbers.length], data: BigInt64Array.from(numbers, BigInt) });
      const inputs = { input_ids: row(2, 6, 7, 3), attention_mask: row(1, 1, 1, 1) };
      const labels = { dims: [1], data: BigInt64Array.of(1n) };
      const { loss } = await trainer.step([{ inputs, labels }]);
      return { loss };
    } finally {
      await trainer.close();
    }
  },
};

/** Runs a stage in a process of its own. */
function run(stage, folder) {
  const flags = ['--stage', stage, '--folder', folder, '--layers', layers, '--threads', threads];
  const { status, stdout } = spawnSync(
    process.execPath,
    [fileURLToPath(import.meta.url), ...flags.map(String)],
    {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  if (status !== 0) throw new Error(`bench:large-export: ${stage} ended with code ${status}`);
  return JSON.parse(stdout);
}

if (values.stage === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'fedrot-large-export-'));
  try {
    const row = { layers, threads };
    for (const stage of Object.keys(STAGES)) row[stage] = run(stage, folder);
    const ok =
      row.export.weightsBytes > 2 ** 31 &&
      row.bundle.bundleBytes >= row.export.weightsBytes &&
      Number.isFinite(row.step.loss);
    process.stdout.write(`${JSON.stringify({ ...row, ok })}\n`);
    process.exitCode = ok ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
} else {
  const start = performance.now();
  const facts = await STAGES[values.stage]();
  const seconds = Math.round((performance.now() - start) / 10) / 100;
  const peakMB = Math.round((process.resourceUsage().maxRSS * 1024) / 1e6);
  process.stdout.write(`${JSON.stringify({ ...facts, seconds, peakMB })}\n`);
}
