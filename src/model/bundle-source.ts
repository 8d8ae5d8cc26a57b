import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { FedrotError } from '../errors.js';
import { openCheckpoint } from './checkpoint.js';
import { importCheckpoint, type ImportedModel, type ImportOptions } from './import-checkpoint.js';
import { openLlama2c } from './llama2c/checkpoint.js';
import type { FileSink } from './weight-sink.js';

/** What a bundle is made from: a checkpoint or an ONNX file, open for reading. */
export interface BundleSource {
  /** config.json, as far as there is one. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Path of the config.json to keep as it is; undefined where `config` is written instead. */
  readonly configFile?: string | undefined;
  /** Files that the weights come from, by path. */
  readonly weightFiles: readonly string[];
  /** Tensors or so, for progress. */
  readonly count: number;
  /** Where tokenizer.json is looked for by default: a folder. */
  readonly tokenizerFolder: string;
  build(sink: Pick<FileSink, 'weights' | 'raw'>): Promise<ImportedModel>;
  close(): void;
}

/** A Hugging Face checkpoint folder, or a llama2.c checkpoint file. Throws not_found, file_invalid. */
export async function checkpointSource(path: string, options: ImportOptions): Promise<BundleSource> {
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    (cause: unknown) => {
      throw new FedrotError('not_found', `${path}: there is no such file or folder`, { cause });
    },
  );
  const checkpoint = isFile ? openLlama2c(path) : await openCheckpoint(path);
  return {
    config: checkpoint.config,
    configFile: isFile ? undefined : join(path, 'config.json'),
    weightFiles: checkpoint.weightFiles.map((name) => join(checkpoint.folder, name)),
    count: checkpoint.names.length,
    tokenizerFolder: isFile ? dirname(path) : path,
    build: async (sink) => importCheckpoint(checkpoint, sink.weights, options),
    close: () => checkpoint.close(),
  };
}

/** `owner/name` or `name` of the hub, as config.json says where weights came from; null for a path, or nothing. */
export function hubName(config: Readonly<Record<string, unknown>>): string | null {
  const name = config._name_or_path;
  return typeof name === 'string' && /^[\w-][\w.-]*(\/[\w-][\w.-]*)?$/.test(name) ? name : null;
}

/** Token ids that end a text: config.json's eos_token_id, a number or a list. */
export function endIds(config: Readonly<Record<string, unknown>>): number[] {
  const ids = [config.eos_token_id].flat();
  return ids.filter((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0);
}
