import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FedrotError } from '../errors.js';
import { checkTrainable } from '../train/check-trainable.js';
import { asDense, findModules, type FindOptions, type FoundModule } from '../train/find-modules.js';
import { checkFoldedWeights } from '../train/folded-weights.js';
import { loadModel } from '../train/ir/files.js';
import type { Model, TensorValue } from '../train/ir/graph.js';
import { normalizeModel } from '../train/ir/normalize.js';
import { pruneTo } from '../train/ir/prune.js';
import { tensorBytes } from '../train/ir/tensor-value.js';
import { readForTraining } from '../train/read-model.js';
import type { ReferenceWeights } from '../train/match-weights.js';
import { probeTypes } from '../train/shapes/probe.js';
import { logitsOf } from '../train/training-graph.js';
import { commonConfig } from './architectures/architecture.js';
import { INPUT_NAMES } from './batch.js';
import type { BundleSource } from './bundle-source.js';
import { openCheckpoint } from './checkpoint.js';
import type { ImportedModel, ImportOptions } from './import-checkpoint.js';
import { checkJson, readJsonObject } from './json-file.js';
import { isLabelled, type BundleTask, type TaskKind } from './tasks.js';
import type { FileSink, RawSink } from './weight-sink.js';

export interface OnnxOptions extends ImportOptions {
  readonly checkpoint?: string | undefined;
  readonly maxTokens?: number | undefined;
}

/** What heads are called in transformers' models. */
const HEAD_NAME = /(^|\.)(pre_classifier|classifier|score|lm_head|embed_out|qa_outputs)(\.|$)/;

/** config.json's names for the longest sequence. */
const LENGTH_KEYS = ['max_position_embeddings', 'n_positions', 'max_seq_len', 'seq_length'] as const;

type Config = Readonly<Record<string, unknown>>;

/**
 * An ONNX export of a transformer: inputs input_ids, attention_mask, token_type_ids or position_ids; the logits among its
 * outputs. config.json beside it, where there is one, tells the labels and the longest sequence. Throws not_found,
 * file_invalid, model_unsupported, option_invalid, and op_unsupported for operators that cannot be differentiated.
 */
export async function onnxSource(path: string, options: OnnxOptions): Promise<BundleSource> {
  const [folder, file] = [dirname(path), basename(path)];
  const model = withoutSpareOutputs(normalizeModel(loadModel(folder, file), folder));
  checkInputs(model, file);
  const configFile = join(options.checkpoint ?? folder, 'config.json');
  const hasConfig = await stat(configFile).then(
    () => true,
    () => false,
  );
  const config = hasConfig ? await readJsonObject(configFile) : {};
  return {
    config,
    configFile: hasConfig ? configFile : undefined,
    weightFiles: [path, ...externalFiles(model).map((name) => join(folder, name))],
    count: model.graph.initializers.size,
    tokenizerFolder: options.checkpoint ?? folder,
    build: (sink) => importOnnx({ model, folder, file, config }, sink, options),
    close: () => undefined,
  };
}

interface OnnxInput {
  readonly model: Model;
  readonly folder: string;
  readonly file: string;
  readonly config: Config;
}

async function importOnnx(
  input: OnnxInput,
  sink: Pick<FileSink, 'raw'>,
  options: OnnxOptions,
): Promise<ImportedModel> {
  const { model, folder, file, config } = input;
  if (options.pooling !== undefined)
    throw new FedrotError(
      'option_invalid',
      'pooling: an ONNX export pools as it was exported; leave pooling out, or make the bundle from the checkpoint',
    );
  const readable = await asItIs(input, () => readForTraining(folder, file));
  const output = logitsOf(model).name;
  const found = await modulesOf(model, folder, options.checkpoint);
  if (found.length === 0)
    throw new FedrotError('model_unsupported', `${file}: holds no linear layer that could be adapted`);
  checkTrainable(
    readable,
    found.map(({ weight }) => weight.initializer),
  );
  const dims = (await asItIs(input, () => probeTypes(readable, folder))).dims(output);
  const outputs = dims[dims.length - 1];
  if (typeof outputs !== 'number')
    throw new FedrotError('model_unsupported', `${file}: the last dimension of "${output}" is not fixed`);
  const task = taskOf(dims.length, outputs, config, options);
  const adaptable = found.map(({ name, in: inner, out, weight }) => ({ name, in: inner, out, weight }));
  return {
    model: moveWeights(model, folder, sink.raw),
    output,
    modelType: typeof config.model_type === 'string' ? config.model_type : 'onnx',
    task,
    adaptable,
    dense: found.flatMap((module) => asDense(module) ?? []),
    headModules: headsOf(found),
    madeModules: [],
    unusedTensors: [],
    maxTokens: options.maxTokens ?? longest(config, file),
    vocabulary: vocabularyOf(model, config),
  };
}

/** Exporters write files that ONNX Runtime cannot run (torch's older one: Cohere with grouped heads): said with opset and remedy. */
async function asItIs<T>({ model, file }: OnnxInput, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof FedrotError) || !error.message.startsWith('ONNX Runtime: ')) throw error;
    throw new FedrotError(
      error.code,
      `${file} (opset ${model.opsets.get('') ?? 1}): does not run as it was exported; try torch.onnx's other exporter (dynamo=True), or a newer opset. ${error.message}`,
      { cause: error },
    );
  }
}

async function modulesOf(
  model: Model,
  folder: string,
  checkpoint: string | undefined,
): Promise<FoundModule[]> {
  if (checkpoint === undefined) return checkedModules(model, { folder });
  const opened = await openCheckpoint(checkpoint);
  const reference: ReferenceWeights = { ...opened, shape: (name) => opened.shape(name) ?? [] };
  try {
    return checkedModules(model, { folder, reference });
  } finally {
    opened.close();
  }
}

function checkedModules(model: Model, options: FindOptions): FoundModule[] {
  const found = findModules(model, options);
  checkFoldedWeights(
    model,
    found.map(({ weight }) => weight.initializer),
    options,
  );
  return found;
}

/** By their names; where none tells, the last linear layer of the graph. */
function headsOf(found: readonly FoundModule[]): string[] {
  const named = found.map(({ name }) => name).filter((name) => HEAD_NAME.test(name));
  const last = found[found.length - 1]?.name;
  return named.length > 0 ? named : last === undefined ? [] : [last];
}

function taskOf(rank: number, outputs: number, config: Config, options: OnnxOptions): BundleTask {
  const kinds: readonly TaskKind[] =
    rank === 2 ? ['text-classification', 'text-regression'] : ['causal-lm', 'token-classification'];
  const names = labelsOf(config, outputs);
  const guess = rank === 2 ? (outputs === 1 ? 'text-regression' : 'text-classification') : 'causal-lm';
  const kind = options.task ?? (rank === 3 && names !== undefined ? 'token-classification' : guess);
  if (!kinds.includes(kind))
    throw new FedrotError(
      'option_invalid',
      `task: the logits have ${rank} dimensions, which is ${kinds.join(' or ')}, not ${kind}`,
    );
  if (!isLabelled(kind)) {
    if (options.labels !== undefined)
      throw new FedrotError('option_invalid', `labels: a model for ${kind} has no labels; leave them out`);
    return { kind, labels: [] };
  }
  const labels = options.labels ?? names;
  if (labels?.length !== outputs || new Set(labels).size !== outputs)
    throw new FedrotError(
      'option_invalid',
      `labels: the model has ${outputs} classes; give as many different labels (--labels), in the order of the class index`,
    );
  return { kind, labels: [...labels] };
}

/** config.json's id2label, where it fits the logits. */
function labelsOf(config: Config, outputs: number): string[] | undefined {
  const { id2label } = checkJson(commonConfig, config, 'config.json');
  const entries = Object.entries(id2label ?? {}).sort(([a], [b]) => Number(a) - Number(b));
  return entries.length === outputs ? entries.map(([, label]) => label) : undefined;
}

function longest(config: Config, file: string): number {
  for (const key of LENGTH_KEYS) {
    const value = config[key];
    if (typeof value === 'number' && Number.isInteger(value) && value > 0) {
      // RoBERTa's table of positions begins behind the padding id.
      const offset =
        config.model_type === 'roberta' ||
        config.model_type === 'xlm-roberta' ||
        config.model_type === 'camembert';
      return offset ? value - Number(config.pad_token_id ?? 1) - 1 : value;
    }
  }
  throw new FedrotError(
    'option_invalid',
    `maxTokens: ${file} does not tell the longest sequence, and there is no config.json beside it that does; give it (--max-tokens)`,
  );
}

/** config.json's, or the rows of the table that input_ids looks up. */
function vocabularyOf(model: Model, config: Config): number {
  if (typeof config.vocab_size === 'number') return config.vocab_size;
  const lookup = model.graph.nodes.find(({ op, inputs }) => op === 'Gather' && inputs[1] === 'input_ids');
  return model.graph.initializers.get(lookup?.inputs[0] ?? '')?.dims[0] ?? Infinity;
}

function checkInputs({ graph }: Model, file: string): void {
  for (const { name, type } of graph.inputs) {
    const mask = name === 'attention_mask' && (type === 'float' || type === 'bool');
    if (!INPUT_NAMES.includes(name) || (type !== 'int64' && type !== 'int32' && !mask))
      throw new FedrotError(
        'model_unsupported',
        `${file}: takes an input ${name} (${type}); inputs can be ${INPUT_NAMES.join(', ')} (int64 or int32, the mask also float or bool)`,
      );
  }
}

/** Hidden states, caches and the like are nothing to train with. */
function withoutSpareOutputs(model: Model): Model {
  return pruneTo(model, [logitsOf(model)]);
}

function externalFiles(model: Model): string[] {
  const names = new Set<string>();
  for (const { data } of model.graph.initializers.values())
    if (data.kind === 'external') names.add(data.file);
  return [...names].sort();
}

/** Weights go to the bundle's own data file, one at a time. */
function moveWeights(model: Model, folder: string, raw: RawSink): Model {
  const initializers = new Map<string, TensorValue>();
  for (const [name, value] of model.graph.initializers)
    initializers.set(
      name,
      raw(value, () => tensorBytes(value, folder)),
    );
  return { ...model, graph: { ...model.graph, initializers } };
}
