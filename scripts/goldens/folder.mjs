// A golden folder on disk: which there are, the adapter, the batch, the reference.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors } from '../../dist/tensor/safetensors-file.js';

export const ADAPTERS = ['lora', 'lora-head'];
export const CHECKPOINT = 'checkpoint';

const json = (path) => JSON.parse(readFileSync(path, 'utf8'));
const jsonOr = (path, otherwise) => (existsSync(path) ? json(path) : otherwise);

/** Every folder below `root`, itself included, that holds a batch, a reference and an adapter. */
export function findGoldens(root) {
  const found = ['batch.json', 'expected.safetensors', 'lora'].every((name) => existsSync(join(root, name)))
    ? [root]
    : [];
  for (const entry of readdirSync(root).sort()) {
    const path = join(root, entry);
    if (statSync(path).isDirectory()) found.push(...findGoldens(path));
  }
  return found;
}

/** Where the model can come from: the checkpoint and every ONNX file. */
export function sourcesOf(folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith('.onnx'));
  return [...(existsSync(join(folder, CHECKPOINT)) ? [CHECKPOINT] : []), ...files.sort()];
}

export const readMeta = (folder) => jsonOr(join(folder, 'meta.json'), {});

export function readTensors(path) {
  const file = openSafetensors(path);
  try {
    return file.entries.map(({ name, shape }) => ({ name, shape, data: file.readFloat32(name) }));
  } finally {
    file.close();
  }
}

/** The checkpoint's tensors, read when they are asked for: one file or several. */
export function openReference(folder) {
  const where = join(folder, CHECKPOINT);
  if (!existsSync(where)) return undefined;
  const files = readdirSync(where).filter((name) => name.endsWith('.safetensors'));
  const tensors = new Map(
    files.flatMap((name) => readTensors(join(where, name))).map((tensor) => [tensor.name, tensor]),
  );
  return {
    names: [...tensors.keys()],
    shape: (name) => tensors.get(name).shape,
    read: (name) => tensors.get(name).data,
  };
}

/** Rank, scale and tensors of an adapter folder as PEFT saves it. */
export function readAdapter(folder, adapter) {
  const config = json(join(folder, adapter, 'adapter_config.json'));
  const { r: rank, lora_alpha: alpha, use_rslora: rsLora = false } = config;
  return {
    rank,
    scale: rsLora ? alpha / Math.sqrt(rank) : alpha / rank,
    tensors: readTensors(join(folder, adapter, 'adapter_model.safetensors')),
  };
}

/** The reference for an adapter: tensors by name and the scalars. */
export function readExpected(folder, adapter) {
  const head = adapter === 'lora-head';
  const tensors = readTensors(join(folder, head ? 'expected-head.safetensors' : 'expected.safetensors'));
  const scalars = json(join(folder, 'expected.json'));
  return {
    expected: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    losses: head ? { ...scalars.head, loss_base: undefined } : scalars,
  };
}

function intTensor(rows) {
  const nested = Array.isArray(rows[0]);
  const dims = nested ? [rows.length, rows[0].length] : [rows.length];
  return { dims, data: BigInt64Array.from(rows.flat(), BigInt) };
}

/** Inputs that a batch may leave out, made from input_ids. */
const MADE = {
  attention_mask: (ids) => ids.map((row) => row.map(() => 1)),
  token_type_ids: (ids) => ids.map((row) => row.map(() => 0)),
  position_ids: (ids) => ids.map((row) => row.map((_, position) => position)),
};

/** labels[t + 1] at t, −100 at the end: what transformers' causal language models do inside. */
const shifted = (rows) => rows.map((row) => [...row.slice(1), -100]);

/** The batch for a model with these inputs. */
export function readBatch(folder, inputs) {
  const batch = json(join(folder, 'batch.json'));
  const isLanguageModel = readMeta(folder).task === 'causal-lm' || batch.shift_labels !== undefined;
  const labels = isLanguageModel ? (batch.shift_labels ?? shifted(batch.labels)) : batch.labels;
  const rowsOf = (name) => {
    const rows = batch[name] ?? MADE[name]?.(batch.input_ids);
    if (rows === undefined) throw new Error(`batch.json has no ${name}, which the model takes`);
    return rows;
  };
  return {
    inputs: Object.fromEntries(inputs.map((name) => [name, intTensor(rowsOf(name))])),
    labels: intTensor(labels),
  };
}
