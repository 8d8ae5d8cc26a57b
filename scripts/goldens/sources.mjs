// What a trainer needs to open a golden model: from its checkpoint through the importer, or from an ONNX file.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCheckpoint } from '../../dist/model/checkpoint.js';
import { importCheckpoint } from '../../dist/model/import-checkpoint.js';
import { inlineSink } from '../../dist/model/weight-sink.js';
import { findModules } from '../../dist/train/find-modules.js';
import { checkFoldedWeights } from '../../dist/train/folded-weights.js';
import { loadModel, saveModel } from '../../dist/train/ir/files.js';
import { normalizeModel } from '../../dist/train/ir/normalize.js';
import { isFloating } from '../../dist/train/ir/element-type.js';
import { tensorFloats } from '../../dist/train/ir/tensor-value.js';
import { CHECKPOINT, readMeta } from './folder.mjs';

/** An architecture that the importer cannot build: said, not failed. */
export class UnknownArchitecture extends Error {}

const PREFIX = 'base_model.model.';
const FACTOR = /\.lora_A\.weight$/;

/** Names of the modules that have factors, and tensors of those trained in full. */
function contents(tensors) {
  const adapted = new Map();
  const full = [];
  for (const { name, shape } of tensors) {
    const plain = name.slice(PREFIX.length);
    if (FACTOR.test(plain)) {
      const module = plain.replace(FACTOR, '');
      const b = tensors.find((other) => other.name === `${PREFIX}${module}.lora_B.weight`);
      adapted.set(module, { in: shape[1], out: b.shape[0] });
    } else if (!plain.includes('.lora_B.')) full.push({ name: plain, shape });
  }
  return { adapted, full };
}

const TASKS = {
  'sequence-classification': 'text-classification',
  'token-classification': 'token-classification',
  'causal-lm': 'causal-lm',
};

/** The session options of one source; `done` removes what had to be written. */
export async function openSource(folder, source, adapter, reference) {
  return source === CHECKPOINT
    ? fromCheckpoint(folder, adapter)
    : fromOnnx(folder, source, adapter, reference);
}

async function fromCheckpoint(folder, { rank, scale, tensors }) {
  const checkpoint = await openCheckpoint(join(folder, CHECKPOINT));
  const home = mkdtempSync(join(tmpdir(), 'fedrot-golden-'));
  const done = () => rmSync(home, { recursive: true, force: true });
  try {
    const task = TASKS[readMeta(folder).task];
    const imported = importModel(checkpoint, task === undefined ? { seed: 0 } : { seed: 0, task });
    saveModel(imported.model, home);
    const { adapted, full } = contents(tensors);
    const lora = [...adapted.keys()].map((name) => ({
      rank,
      scale,
      module: found(imported.adaptable, name, 'adapted'),
    }));
    const wanted = full.map(({ name }) => name.slice(0, name.lastIndexOf('.')));
    const dense = [...new Set(wanted)].map((name) => found(imported.dense, name, 'trained in full'));
    const inputs = imported.model.graph.inputs.map(({ name }) => name);
    return { options: { folder: home, lora, dense, threads: 1 }, inputs, done };
  } catch (error) {
    done();
    throw error;
  } finally {
    checkpoint.close();
  }
}

function importModel(checkpoint, options) {
  try {
    return importCheckpoint(checkpoint, inlineSink, options);
  } catch (error) {
    if (error.code === 'model_unsupported') throw new UnknownArchitecture(error.message);
    throw error;
  }
}

function found(modules, name, how) {
  const module = modules.find((each) => each.name === name);
  if (module === undefined) throw new Error(`the importer knows no module ${name} that can be ${how}`);
  return module;
}

async function fromOnnx(folder, file, { rank, scale, tensors }, reference) {
  const model = normalizeModel(loadModel(folder, file), folder);
  const { adapted, full } = contents(tensors);
  const hints = readMeta(folder).onnx?.[file]?.adapted_weights ?? {};
  let modules;
  const search = () => (modules ??= findModules(model, { folder, reference }));
  const lora = [...adapted].map(([name, size]) => ({
    rank,
    scale,
    module: hints[name] === undefined ? found(search(), name, 'adapted') : hinted(name, size, hints[name]),
  }));
  const dense = full.map((tensor) => denseTensor(model, folder, tensor, reference));
  const weights = lora.map(({ module }) => module.weight.initializer);
  checkFoldedWeights(model, weights, { folder, reference });
  const inputs = model.graph.inputs.map(({ name }) => name);
  return { options: { folder, file, lora, dense, threads: 1 }, inputs, done: () => {} };
}

/** `in x out`, `out x in`, `in x out, columns 64..96 of a merged weight` */
function hinted(name, size, { initializer, layout }) {
  const columns = /columns (\d+)\.\./.exec(layout);
  return {
    name,
    ...size,
    weight: {
      initializer,
      layout: layout.startsWith('out x in') ? 'out_in' : 'in_out',
      ...(columns === null ? {} : { firstOutput: Number(columns[1]) }),
    },
  };
}

/** The initializer that holds a tensor of the checkpoint, straight or transposed: by its own name, else by comparing numbers. */
function denseTensor(model, folder, { name, shape }, reference) {
  const dot = name.lastIndexOf('.');
  const module = (initializer, transposed) => ({
    name: name.slice(0, dot),
    tensors: [{ parameter: name.slice(dot + 1), initializer, shape, transposed }],
  });
  const expected = reference.read(name);
  const candidates = [...model.graph.initializers].filter(
    ([, { type, dims }]) =>
      isFloating(type) && dims.length === shape.length && dims.reduce((a, b) => a * b, 1) === expected.length,
  );
  candidates.sort(([a], [b]) => Number(b === name) - Number(a === name));
  const [rows, columns = 1] = shape;
  for (const [initializer, value] of candidates) {
    const numbers = tensorFloats(value, folder);
    if (value.dims.join() === shape.join() && numbers.every((number, i) => number === expected[i]))
      return module(initializer, false);
    const turned = (i) => (i % rows) * columns + Math.floor(i / rows);
    if (
      shape.length === 2 &&
      value.dims.join() === [columns, rows].join() &&
      numbers.every((number, i) => number === expected[turned(i)])
    )
      return module(initializer, true);
  }
  throw new Error(`no initializer holds ${name}`);
}
