import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { MANIFEST_FILE } from '../bundle-names.js';
import { bundleManifestSchema, type BundleFile, type BundleManifest } from './bundle-manifest.js';
import { endIds, hubName, type BundleSource } from './bundle-source.js';
import { digestFile } from './file-digest.js';
import type { ImportedModel } from './import-checkpoint.js';
import { checkJson } from './json-file.js';
import { software } from './software.js';
import type { Quantization } from './quantize-imported.js';
import type { TextTokenizer } from './tokenizer.js';

/** Files of a bundle that are always there. */
export const MODEL_FILE = 'model.onnx';
export const DATA_FILE = 'model.onnx.data';

export interface BundleProgress {
  readonly phase: 'weights' | 'digests';
  /** Tensors of the checkpoint, or files. */
  readonly done: number;
  readonly total: number;
}

/** What a manifest is made of. */
export interface BundleParts {
  readonly source: BundleSource;
  readonly imported: ImportedModel;
  readonly tokenizer: TextTokenizer;
  readonly options: {
    readonly name?: string | undefined;
    readonly seed: number;
    readonly quantize?: Quantization | undefined;
    readonly onProgress?: ((progress: BundleProgress) => void) | undefined;
  };
}

/** The manifest of a bundle whose other files lie in `folder`. */
export async function describeBundle(
  folder: string,
  { source, imported, tokenizer, options }: BundleParts,
): Promise<BundleManifest> {
  const names = (await readdir(folder)).sort();
  const sources = source.weightFiles;
  const total = names.length + sources.length;
  let done = 0;
  const digest = async (path: string): Promise<BundleFile> => {
    const entry = { name: basename(path), ...(await digestFile(path)) };
    options.onProgress?.({ phase: 'digests', done: ++done, total });
    return entry;
  };
  const digests = async (paths: readonly string[]): Promise<BundleFile[]> => {
    const entries: BundleFile[] = [];
    for (const path of paths) entries.push(await digest(path));
    return entries;
  };
  const { graph } = imported.model;
  const manifest = {
    format: 'fedrot-bundle',
    version: 1,
    software: software(),
    files: await digests(names.map((name) => join(folder, name))),
    task: imported.task,
    model: {
      file: MODEL_FILE,
      inputs: graph.inputs.map(({ name, type, dims }) => ({ name, type, dims })),
      output: imported.output ?? 'logits',
      ...(imported.pooling && { pooling: imported.pooling }),
      maxTokens: imported.maxTokens,
      quantization: options.quantize ?? null,
    },
    tokenizer: {
      padId: tokenizer.padId,
      specialTokens: tokenizer.specialTokens(false),
      specialTokensPair: tokenizer.specialTokens(true),
      endIds: endIds(source.config),
    },
    base: {
      name: options.name ?? null,
      architecture: imported.modelType,
      weights: await digests(sources),
      configName: hubName(source.config),
    },
    modules: {
      adaptable: imported.adaptable,
      dense: imported.dense,
      head: imported.headModules,
      made: imported.madeModules.length === 0 ? null : { seed: options.seed, names: imported.madeModules },
    },
  };
  return checkJson(bundleManifestSchema, manifest, MANIFEST_FILE);
}
