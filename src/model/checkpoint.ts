import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { FedrotError } from '../errors.js';
import { openSafetensors, type SafetensorsFile } from '../tensor/safetensors-file.js';
import { checkJson, readJsonObject } from './json-file.js';

const CONFIG_FILE = 'config.json';
const SINGLE_FILE = 'model.safetensors';
const INDEX_FILE = 'model.safetensors.index.json';
/** `model.fp16.safetensors` and the like: Hugging Face's variants of the one file. */
const VARIANT = /^model\.[^.]+\.safetensors$/;

const indexSchema = z.object({ weight_map: z.record(z.string(), z.string()) });
const configSchema = z.looseObject({ model_type: z.string().min(1) });

/** config.json: model_type is certain, the rest is for the architecture to check. */
export type CheckpointConfig = z.output<typeof configSchema>;

/** A Hugging Face checkpoint folder, open for reading. Tensors are read one at a time and nothing is kept. */
export interface Checkpoint {
  readonly folder: string;
  readonly config: CheckpointConfig;
  /** The safetensors files by name, in order. */
  readonly weightFiles: readonly string[];
  /** In order of name. */
  readonly names: readonly string[];
  /** Undefined where there is no such tensor. */
  shape(name: string): readonly number[] | undefined;
  /** F32, F16, BF16 and F64 as float32, row-major. Throws tensor_name, or tensor_dtype for other types. */
  read(name: string): Float32Array;
  close(): void;
}

/**
 * Opens config.json and model.safetensors, its shards (model.safetensors.index.json) or its only variant
 * (model.<variant>.safetensors). Throws not_found or file_invalid.
 */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const config = checkJson(configSchema, await readJsonObject(join(folder, CONFIG_FILE)), CONFIG_FILE);
  const { files, listed } = await weightFiles(folder);
  const opened: SafetensorsFile[] = [];
  const close = (): void => opened.forEach((file) => file.close());
  try {
    const home = new Map<string, { file: SafetensorsFile; shape: readonly number[] }>();
    for (const name of files) {
      const file = openSafetensors(join(folder, name));
      opened.push(file);
      for (const entry of file.entries) home.set(entry.name, { file, shape: entry.shape });
    }
    const absent = listed.find((name) => !home.has(name));
    if (absent !== undefined)
      throw new FedrotError(
        'file_invalid',
        `${join(folder, INDEX_FILE)}: tensor ${absent} is in none of its files`,
      );
    return {
      folder,
      config,
      weightFiles: files,
      names: [...home.keys()].sort(),
      shape: (name) => home.get(name)?.shape,
      read(name) {
        const found = home.get(name);
        if (!found) throw new FedrotError('tensor_name', `${folder}: has no tensor ${name}`);
        return found.file.readFloat32(name);
      },
      close,
    };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/** Which files hold the weights, and the tensors that an index promises. */
async function weightFiles(folder: string): Promise<{ files: string[]; listed: string[] }> {
  if (await isFile(join(folder, SINGLE_FILE))) return { files: [SINGLE_FILE], listed: [] };
  const indexPath = join(folder, INDEX_FILE);
  if (await isFile(indexPath)) {
    const { weight_map: map } = checkJson(indexSchema, await readJsonObject(indexPath), INDEX_FILE);
    const files = [...new Set(Object.values(map))].sort();
    const outside = files.find((file) => !/^[^/\\]+\.safetensors$/.test(file));
    if (outside !== undefined)
      throw new FedrotError(
        'file_invalid',
        `${indexPath}: ${outside} is not the name of a file in the same folder`,
      );
    return { files, listed: Object.keys(map) };
  }
  const variants = (await readdir(folder)).filter((file) => VARIANT.test(file)).sort();
  const [only, second] = variants;
  if (only === undefined)
    throw new FedrotError(
      'not_found',
      `${folder}: holds neither ${SINGLE_FILE} nor ${INDEX_FILE}; a checkpoint in another format must be saved as safetensors`,
    );
  if (second !== undefined)
    throw new FedrotError(
      'file_invalid',
      `${folder}: holds ${variants.join(' and ')}; rename the one to use to ${SINGLE_FILE}`,
    );
  return { files: [only], listed: [] };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
