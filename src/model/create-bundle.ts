import { copyFile, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { MANIFEST_FILE } from '../bundle-names.js';
import { FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';
import { encodeModel } from '../train/ir/codec.js';
import type { BundleManifest } from './bundle-manifest.js';
import { checkpointSource, hubName, type BundleSource } from './bundle-source.js';
import { placeTokenizer } from './bundle-tokenizer.js';
import { canonicalJson } from './canonical-json.js';
import { checkDifferentiable } from './check-differentiable.js';
import { DATA_FILE, describeBundle, MODEL_FILE, type BundleProgress } from './describe-bundle.js';
import type { ImportedModel, ImportOptions } from './import-checkpoint.js';
import { onnxSource } from './onnx-source.js';
import { quantizeImported, type Quantization } from './quantize-imported.js';
import { TOKENIZER_FILE } from './tokenizer.js';
import { fileSink } from './weight-sink.js';
import { wholeFolder } from './whole-folder.js';

const CONFIG_FILE = 'config.json';

export interface CreateBundleOptions extends ImportOptions {
  /** Hugging Face checkpoint folder, or a llama2.c checkpoint file. Either this or `onnx`. */
  readonly checkpoint?: string | undefined;
  /** An ONNX export (its external data beside it). With `checkpoint`, modules are named by comparing weights with it. */
  readonly onnx?: string | undefined;
  /** Keeps the linear layers' weights (the head's excepted) in 4 or 8 bits; LoRA trains beside them (QLoRA). Default full precision. */
  readonly quantize?: Quantization | undefined;
  /** The longest sequence of an ONNX export; default what config.json beside it says. */
  readonly maxTokens?: number | undefined;
  /**
   * Folder that holds tokenizer.json, that file, or a llama2.c tokenizer.bin; default the folder of checkpoint or export.
   */
  readonly tokenizer?: string | undefined;
  /** The new folder; must not exist yet, or be empty. */
  readonly out: string;
  /** What the base model is called, as one would look it up on a hub. */
  readonly name?: string | undefined;
  readonly onProgress?: ((progress: BundleProgress) => void) | undefined;
}

export interface CreatedBundle {
  readonly folder: string;
  /** Of manifest.json, hex: the bundle's name. */
  readonly sha256: string;
  readonly manifest: BundleManifest;
  /** Tensors of the checkpoint that the model has no use for, e.g. a pretraining head. */
  readonly unusedTensors: readonly string[];
}

/**
 * Makes a bundle from a checkpoint or an ONNX export. The same input, options and software give the same bundle, byte for
 * byte. Nothing is left behind on failure. Throws already_exists where `out` holds something; not_found,
 * file_invalid, model_unsupported or option_invalid for a model or labels that do not fit; op_unsupported, naming op, node
 * and opset, for an export that cannot be trained.
 */
export async function createBundle(options: CreateBundleOptions): Promise<CreatedBundle> {
  checkOptions(options);
  const out = resolve(options.out);
  if (await holdsSomething(out))
    throw new FedrotError('already_exists', `${out}: already exists; name another folder or remove it`);
  const source = await openSource(options);
  try {
    const written = await wholeFolder(out, (folder) => write(source, folder, options));
    return { folder: out, ...written };
  } finally {
    source.close();
  }
}

/** What can be refused before anything is read. */
function checkOptions({ onnx, maxTokens, seed }: CreateBundleOptions): void {
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new FedrotError('option_invalid', `seed ${seed}: must be a whole number of at least 0`);
  if (maxTokens === undefined) return;
  if (onnx === undefined)
    throw new FedrotError(
      'option_invalid',
      'maxTokens (--max-tokens) is for ONNX exports; of a checkpoint, config.json says how long a text may be',
    );
  if (!Number.isSafeInteger(maxTokens) || maxTokens < 1)
    throw new FedrotError('option_invalid', `maxTokens ${maxTokens}: must be a whole number of at least 1`);
}

function openSource(options: CreateBundleOptions): Promise<BundleSource> {
  const { checkpoint, onnx } = options;
  if (onnx !== undefined) return onnxSource(onnx, options);
  if (checkpoint !== undefined) return checkpointSource(checkpoint, options);
  throw new FedrotError('option_invalid', 'name a checkpoint or an ONNX file to make the bundle from');
}

async function write(
  source: BundleSource,
  folder: string,
  options: CreateBundleOptions,
): Promise<Omit<CreatedBundle, 'folder'>> {
  const padId = source.config.pad_token_id;
  const tokenizer = await placeTokenizer(options.tokenizer ?? source.tokenizerFolder, folder, {
    padId: typeof padId === 'number' ? padId : undefined,
  });
  await writeConfig(source, folder);
  const imported = await buildModel(source, folder, options);
  if (imported.vocabulary < tokenizer.vocabulary)
    throw new FedrotError(
      'file_invalid',
      `${TOKENIZER_FILE}: has token ids up to ${tokenizer.vocabulary - 1}, but the model's vocabulary ends at ${imported.vocabulary - 1}: the tokenizer is another model's`,
    );
  await writeFile(join(folder, MODEL_FILE), encodeModel(imported.model));
  await checkDifferentiable(folder, MODEL_FILE, imported);
  const manifest = await describeBundle(folder, { source, imported, tokenizer, options });
  const json = canonicalJson(manifest);
  await writeFile(join(folder, MANIFEST_FILE), json);
  return { sha256: sha256Hex(json), manifest, unusedTensors: imported.unusedTensors };
}

async function buildModel(
  source: BundleSource,
  folder: string,
  options: CreateBundleOptions,
): Promise<ImportedModel> {
  if (options.quantize === undefined) return buildInto(source, folder, options);
  // Full weights lie in a folder of their own until each has been packed.
  const full = join(folder, '.full');
  await mkdir(full);
  const imported = await buildInto(source, full, options);
  const sink = fileSink(join(folder, DATA_FILE));
  try {
    return quantizeImported(imported, options.quantize, full, sink);
  } finally {
    sink.close();
    await rm(full, { recursive: true });
  }
}

async function buildInto(
  source: BundleSource,
  folder: string,
  options: CreateBundleOptions,
): Promise<ImportedModel> {
  const sink = fileSink(join(folder, DATA_FILE));
  let done = 0;
  const count = (): void =>
    options.onProgress?.({ phase: 'weights', done: ++done, total: Math.max(done, source.count) });
  try {
    return await source.build({
      weights: (dims, data) => {
        count();
        return sink.weights(dims, data);
      },
      raw: (value, read) => {
        count();
        return sink.raw(value, read);
      },
    });
  } finally {
    sink.close();
  }
}

/** config.json as it is, less the path on somebody's machine that the weights may have been loaded from. */
async function writeConfig({ config, configFile }: BundleSource, folder: string): Promise<void> {
  const path = join(folder, CONFIG_FILE);
  if (configFile !== undefined && (hubName(config) !== null || config._name_or_path === undefined))
    return copyFile(configFile, path);
  const { _name_or_path: _path, ...rest } = config;
  return writeFile(path, canonicalJson(rest));
}

async function holdsSomething(path: string): Promise<boolean> {
  try {
    if (!(await stat(path)).isDirectory()) return true;
    return (await readdir(path)).length > 0;
  } catch {
    return false;
  }
}
