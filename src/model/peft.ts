import { existsSync } from 'node:fs';
import { copyFile, mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FedrotError } from '../errors.js';
import { openTensorFile, type TensorFile } from '../tensor/safetensors-file.js';
import { canonicalJson } from './canonical-json.js';
import { checkJson, readJsonObject } from './json-file.js';
import {
  modulesOf,
  peftConfig,
  peftConfigSchema,
  type AdapterSettings,
  type PeftConfig,
} from './peft-config.js';
import { PEFT_PREFIX } from './peft-names.js';
import type { TaskKind } from './tasks.js';

export const ADAPTER_FILE = 'adapter_model.safetensors';
export const ADAPTER_CONFIG_FILE = 'adapter_config.json';

export interface WritePeftOptions {
  /** The folder to write into; made where it is missing, its two files replaced. */
  readonly folder: string;
  /** The published adapter: a canonical safetensors file, by path or as its bytes. */
  readonly adapter: string | Uint8Array;
  readonly settings: AdapterSettings;
  /**
   * What Python should load as the base model: a name on a hub or a path; null (default) leaves it to the
   * caller.
   */
  readonly baseModel?: string | null;
  /** What the adapter was trained for: PEFT's task type. */
  readonly task: TaskKind;
}

/**
 * Writes an adapter folder that PEFT loads: the published file as it is, so that `sha256sum` confirms it, and
 * adapter_config.json. Throws file_invalid where the file is no adapter with PEFT's names.
 */
export async function writePeftAdapter(options: WritePeftOptions): Promise<void> {
  const { folder, adapter, settings, baseModel = null, task } = options;
  await mkdir(folder, { recursive: true });
  const file = join(folder, ADAPTER_FILE);
  await replaceFile(file, (path) =>
    typeof adapter === 'string' ? copyFile(adapter, path) : writeFile(path, adapter),
  );
  const tensors = openTensorFile(file);
  try {
    checkNames(tensors, file);
    const names = tensors.tensors.map(({ name }) => name);
    const config = canonicalJson(peftConfig(settings, names, baseModel, task));
    await replaceFile(join(folder, ADAPTER_CONFIG_FILE), (path) => writeFile(path, config));
  } finally {
    tensors.close();
  }
}

/** Nobody sees half a file. */
async function replaceFile(path: string, write: (path: string) => Promise<void>): Promise<void> {
  const partial = `${path}.partial`;
  await write(partial);
  await rename(partial, path);
}

export interface PeftAdapter {
  readonly config: PeftConfig;
  readonly settings: AdapterSettings;
  /** Open for reading: close it when done. */
  readonly tensors: TensorFile;
}

/**
 * Opens an adapter folder as PEFT or fedrot wrote it. Throws not_found, or file_invalid for another kind of
 * adapter, factors that do not fit the rank, or one factor without the other.
 */
export async function readPeftAdapter(folder: string): Promise<PeftAdapter> {
  const configPath = join(folder, ADAPTER_CONFIG_FILE);
  if (!existsSync(configPath))
    throw new FedrotError('not_found', `${folder}: is no adapter: it has no ${ADAPTER_CONFIG_FILE}`);
  const config = checkJson(peftConfigSchema, await readJsonObject(configPath), configPath);
  const path = join(folder, ADAPTER_FILE);
  const tensors = openTensorFile(path);
  try {
    checkNames(tensors, path);
    const { adapted, full } = modulesOf(tensors.tensors.map(({ name }) => name));
    for (const module of adapted) checkFactors(tensors, module, config.r, path);
    const { target_modules: targets, modules_to_save: saved } = config;
    return {
      config,
      settings: {
        rank: config.r,
        alpha: config.lora_alpha,
        rsLora: config.use_rslora,
        dropout: config.lora_dropout,
        targetModules: Array.isArray(targets) ? targets : adapted,
        // PEFT names heads of every kind (classifier, score); only those that the file holds count.
        modulesToSave: (saved ?? []).filter((key) => full.some((name) => name.includes(key))),
      },
      tensors,
    };
  } catch (thrown) {
    tensors.close();
    throw thrown;
  }
}

function checkNames({ tensors }: TensorFile, path: string): void {
  const foreign = tensors.find(({ name }) => !name.startsWith(PEFT_PREFIX));
  if (foreign)
    throw new FedrotError(
      'file_invalid',
      `${path}: tensor ${foreign.name} has no name that PEFT knows; it must begin with ${PEFT_PREFIX}`,
    );
}

function checkFactors({ tensors }: TensorFile, module: string, rank: number, path: string): void {
  const shape = (factor: string): readonly number[] | undefined =>
    tensors.find(({ name }) => name === `${PEFT_PREFIX}${module}.${factor}.weight`)?.shape;
  const [a, b] = [shape('lora_A'), shape('lora_B')];
  if (a?.length !== 2 || b?.length !== 2 || a[0] !== rank || b[1] !== rank)
    throw new FedrotError(
      'file_invalid',
      `${path}: module ${module} has factors A [${a?.join(', ') ?? 'missing'}] and B [${b?.join(', ') ?? 'missing'}]; ${ADAPTER_CONFIG_FILE} says r = ${rank}, so A is r × in and B is out × r`,
    );
}
