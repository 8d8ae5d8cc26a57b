import { copyFile, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FedrotError } from '../errors.js';
import { encodeModel } from '../train/ir/codec.js';
import type { Bundle } from './bundle.js';
import { canonicalJson } from './canonical-json.js';
import { readJsonObject } from './json-file.js';
import type { AdapterInput } from './language-model.js';
import { mergeModel, type MergedModel } from './merge.js';
import { fileSink, type FileSink } from './weight-sink.js';
import { wholeFolder } from './whole-folder.js';

/** Above this the weights lie in a file of their own: protobuf ends at 2 GiB. */
const INLINE_BYTES = 1.8 * 2 ** 30;

/** Where @huggingface/transformers looks for a model below its folder. */
const MODEL_FILE = 'onnx/model.onnx';
const DATA_FILE = 'onnx/model.onnx_data';
/** Without this file it loads no tokenizer. */
const TOKENIZER_CONFIG = 'tokenizer_config.json';

export interface WrittenModel extends Pick<MergedModel, 'merged' | 'attached'> {
  readonly folder: string;
  /** Path of the model below the folder. */
  readonly file: string;
  /** Of all files. */
  readonly bytes: number;
}

/**
 * Writes a bundle's model with an adapter merged into it to a new folder: onnx/model.onnx, config.json with the labels,
 * tokenizer.json, as @huggingface/transformers expects them. One file, or onnx/model.onnx_data beside it above 1.8 GiB.
 * Nothing is left behind on failure. Throws already_exists, and as mergeModel does.
 */
export async function writeMerged(bundle: Bundle, adapter: AdapterInput, out: string): Promise<WrittenModel> {
  const target = resolve(out);
  const found = await readdir(target).catch(() => []);
  if (found.length > 0)
    throw new FedrotError('already_exists', `${target}: already exists; name another folder or remove it`);
  return wholeFolder(target, async (folder) => {
    await mkdir(join(folder, dirname(MODEL_FILE)));
    const data = bundle.manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
    const split = data > INLINE_BYTES;
    const sink: Pick<FileSink, 'raw' | 'close'> = split ? fileSink(join(folder, DATA_FILE)) : INLINE;
    const { model, merged, attached } = closing(sink, () => mergeModel(bundle, adapter, sink));
    await writeFile(join(folder, MODEL_FILE), encodeModel(model));
    await writeFile(join(folder, 'config.json'), canonicalJson(await configOf(bundle, split)));
    for (const { name } of bundle.manifest.files)
      if (name.startsWith('tokenizer')) await copyFile(join(bundle.folder, name), join(folder, name));
    if (!bundle.manifest.files.some(({ name }) => name === TOKENIZER_CONFIG))
      await writeFile(join(folder, TOKENIZER_CONFIG), canonicalJson(await tokenizerConfig(bundle)));
    const sizes = [MODEL_FILE, ...(split ? [DATA_FILE] : [])].map(
      async (name) => (await stat(join(folder, name))).size,
    );
    const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
    return { folder: target, file: MODEL_FILE, bytes, merged, attached };
  });
}

const INLINE: Pick<FileSink, 'raw' | 'close'> = {
  raw: (value, read) => ({ ...value, data: { kind: 'inline', bytes: read() } }),
  close: () => undefined,
};

function closing<T>(sink: Pick<FileSink, 'close'>, work: () => T): T {
  try {
    return work();
  } finally {
    sink.close();
  }
}

/** The little that tokenizer.json does not tell: which token pads, and how long a text may be. */
async function tokenizerConfig({ folder, manifest }: Bundle): Promise<Record<string, unknown>> {
  const { added_tokens: added } = await readJsonObject(join(folder, 'tokenizer.json'));
  const tokens = Array.isArray(added) ? (added as { id?: unknown; content?: unknown }[]) : [];
  const textOf = (id: number | undefined): unknown => tokens.find((token) => token.id === id)?.content;
  const pad = textOf(manifest.tokenizer.padId);
  const end = textOf(manifest.tokenizer.endIds[0]);
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    model_max_length: manifest.model.maxTokens,
    ...(typeof pad === 'string' && { pad_token: pad }),
    ...(typeof end === 'string' && { eos_token: end }),
  };
}

/** config.json with the bundle's labels, which a new head may have given it. */
async function configOf(bundle: Bundle, split: boolean): Promise<Record<string, unknown>> {
  const config = await readJsonObject(join(bundle.folder, 'config.json'));
  const { labels } = bundle.manifest.task;
  const named =
    labels.length === 0
      ? {}
      : {
          id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
          label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
        };
  const external = split ? { 'transformers.js_config': { use_external_data_format: true } } : {};
  return { ...config, ...named, ...external };
}
