import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { FedrotError } from '../errors.js';
import { encodeModel } from '../train/ir/codec.js';
import { MANIFEST_FILE, type BundleManifest } from './bundle-manifest.js';
import { canonicalJson } from './canonical-json.js';
import { openCheckpoint, type Checkpoint } from './checkpoint.js';
import { DATA_FILE, describeBundle, hubName, MODEL_FILE, type BundleProgress } from './describe-bundle.js';
import { sha256Of } from './file-digest.js';
import { importCheckpoint, type ImportedModel, type ImportOptions } from './import-checkpoint.js';
import { TextTokenizer, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE } from './tokenizer.js';
import { fileSink } from './weight-sink.js';

const CONFIG_FILE = 'config.json';

export interface CreateBundleOptions extends ImportOptions {
  /** Hugging Face checkpoint folder. */
  readonly checkpoint: string;
  /** Folder that holds tokenizer.json; default the checkpoint. */
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
 * Makes a bundle from a checkpoint. The same checkpoint, options and software give the same bundle, byte for
 * byte. Nothing is left behind on failure. Throws already_exists where `out` holds something; not_found,
 * file_invalid, model_unsupported or option_invalid for a checkpoint or labels that do not fit.
 */
export async function createBundle(options: CreateBundleOptions): Promise<CreatedBundle> {
  const out = resolve(options.out);
  if (await holdsSomething(out))
    throw new FedrotError('already_exists', `${out}: already exists; name another folder or remove it`);
  const checkpoint = await openCheckpoint(options.checkpoint);
  try {
    await mkdir(dirname(out), { recursive: true });
    const folder = join(dirname(out), `.${basename(out)}-${randomUUID()}`);
    await mkdir(folder);
    try {
      const written = await write(checkpoint, folder, options);
      await rename(folder, out);
      return { folder: out, ...written };
    } catch (thrown) {
      await rm(folder, { recursive: true, force: true });
      throw thrown;
    }
  } finally {
    checkpoint.close();
  }
}

async function write(
  checkpoint: Checkpoint,
  folder: string,
  options: CreateBundleOptions,
): Promise<Omit<CreatedBundle, 'folder'>> {
  const tokenizer = await copyTokenizer(options.tokenizer ?? options.checkpoint, folder, checkpoint);
  await writeConfig(checkpoint, folder);
  const imported = buildModel(checkpoint, folder, options);
  if (imported.vocabulary < tokenizer.vocabulary)
    throw new FedrotError(
      'file_invalid',
      `${TOKENIZER_FILE}: has token ids up to ${tokenizer.vocabulary - 1}, but the model's vocabulary ends at ${imported.vocabulary - 1}: the tokenizer is another model's`,
    );
  await writeFile(join(folder, MODEL_FILE), encodeModel(imported.model));
  const manifest = await describeBundle(folder, { checkpoint, imported, tokenizer, options });
  const json = canonicalJson(manifest);
  await writeFile(join(folder, MANIFEST_FILE), json);
  return { sha256: sha256Of(json), manifest, unusedTensors: imported.unusedTensors };
}

function buildModel(checkpoint: Checkpoint, folder: string, options: CreateBundleOptions): ImportedModel {
  const { sink, close } = fileSink(join(folder, DATA_FILE));
  let done = 0;
  try {
    return importCheckpoint(
      checkpoint,
      (dims, data) => {
        options.onProgress?.({
          phase: 'weights',
          done: ++done,
          total: Math.max(done, checkpoint.names.length),
        });
        return sink(dims, data);
      },
      options,
    );
  } finally {
    close();
  }
}

async function copyTokenizer(from: string, to: string, checkpoint: Checkpoint): Promise<TextTokenizer> {
  const padId = checkpoint.config.pad_token_id;
  const tokenizer = await TextTokenizer.open(from, { padId: typeof padId === 'number' ? padId : undefined });
  await copyFile(join(from, TOKENIZER_FILE), join(to, TOKENIZER_FILE));
  const files = await readdir(from);
  if (files.includes(TOKENIZER_CONFIG_FILE))
    await copyFile(join(from, TOKENIZER_CONFIG_FILE), join(to, TOKENIZER_CONFIG_FILE));
  return tokenizer;
}

/** config.json as it is, less the path on somebody's machine that the weights may have been loaded from. */
async function writeConfig(checkpoint: Checkpoint, folder: string): Promise<void> {
  const path = join(folder, CONFIG_FILE);
  if (hubName(checkpoint) !== null || checkpoint.config._name_or_path === undefined)
    return copyFile(join(checkpoint.folder, CONFIG_FILE), path);
  const { _name_or_path: _path, ...rest } = checkpoint.config;
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
