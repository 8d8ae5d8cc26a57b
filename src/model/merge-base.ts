import { copyFile, open, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { MANIFEST_FILE } from '../bundle-names.js';
import { FedrotError } from '../errors.js';
import { encodeModel } from '../train/ir/codec.js';
import { loadModel } from '../train/ir/files.js';
import type { Model, TensorValue } from '../train/ir/graph.js';
import { floatTensor, tensorBytes, tensorFloats } from '../train/ir/tensor-value.js';
import { readersOf } from '../train/weight-uses.js';
import { addLora } from './add-lora.js';
import { openBundle, type Bundle } from './bundle.js';
import type { BundleManifest } from './bundle-manifest.js';
import { canonicalJson } from './canonical-json.js';
import { digestFile } from './file-digest.js';
import { wholeFolder } from './whole-folder.js';

/** Factors of one module, A rank × in and B out × rank, read when they are needed. */
export interface ModuleProduct {
  readonly module: string;
  readonly rank: number;
  readonly in: number;
  readonly out: number;
  a(): Float32Array;
  b(): Float32Array;
}

/**
 * A copy of a bundle whose base weights hold W + scale · B A of every source (a list of modules' factors), one after the other: each sum is rounded to float32 before
 * the next, so that it does not matter how many are added at a time. The new folder is whole or not there. This is where flora's and
 * fedex's out × in products are formed, a module at a time.
 *
 * Throws precondition_failed where a weight is not plain float32 or serves as the embedding too, tensor_name or tensor_shape for a
 * module that the bundle has not.
 */
export async function mergeBase(
  bundle: Bundle,
  sources: readonly (readonly ModuleProduct[])[],
  scale: number,
  out: string,
): Promise<Bundle> {
  await wholeFolder(out, async (folder) => {
    for (const { name } of bundle.manifest.files)
      await copyFile(join(bundle.folder, name), join(folder, name));
    await addTo(bundle, folder, sources, scale);
    const files = await digests(bundle.manifest, folder);
    await writeFile(join(folder, MANIFEST_FILE), canonicalJson({ ...bundle.manifest, files }));
  });
  return openBundle(out, { verify: false });
}

async function digests(manifest: BundleManifest, folder: string): Promise<BundleManifest['files']> {
  const files: BundleManifest['files'] = [];
  for (const { name } of manifest.files) files.push({ name, ...(await digestFile(join(folder, name))) });
  return files;
}

type Adaptable = BundleManifest['modules']['adaptable'][number];

async function addTo(
  { manifest }: Bundle,
  folder: string,
  sources: readonly (readonly ModuleProduct[])[],
  scale: number,
): Promise<void> {
  const { file } = manifest.model;
  const model = loadModel(folder, file);
  const readers = readersOf(model);
  const byWeight = new Map<string, Adaptable[]>();
  for (const name of new Set(sources.flatMap((products) => products.map(({ module }) => module)))) {
    const module = manifest.modules.adaptable.find((candidate) => candidate.name === name);
    if (!module)
      throw new FedrotError('tensor_name', `${file}: has no module ${name} that could be merged into`);
    const { initializer } = module.weight;
    byWeight.set(initializer, [...(byWeight.get(initializer) ?? []), module]);
  }
  const inline = new Map<string, TensorValue>();
  for (const [initializer, modules] of byWeight) {
    const value = model.graph.initializers.get(initializer);
    const embeds = (readers.get(initializer) ?? []).some(({ op }) => op === 'Gather');
    if (value?.type !== 'float' || value.dims.length !== 2 || embeds)
      throw new FedrotError(
        'precondition_failed',
        `module ${modules[0]?.name ?? initializer}: its weight ${embeds ? 'serves as the embedding too' : `is ${value?.type ?? 'missing'}`}; a method that merges into the base (flora, fedex) needs float32 weights of the module's own: take another method or other target modules`,
      );
    const matrix = Float32Array.from(tensorFloats(value, folder));
    for (const module of modules)
      for (const products of sources) {
        const product = products.find((candidate) => candidate.module === module.name);
        if (product) addProduct(matrix, value.dims, module, product, scale);
      }
    const { data } = value;
    const merged = floatTensor(value.dims, matrix);
    if (data.kind === 'external') await overwrite(join(folder, data.file), data.offset, tensorBytes(merged));
    else inline.set(initializer, merged);
    await setImmediate(); // a heartbeat may be due
  }
  if (inline.size > 0) await writeFile(join(folder, file), encodeModel(withInitializers(model, inline)));
}

function addProduct(
  matrix: Float32Array,
  dims: readonly number[],
  module: Adaptable,
  product: ModuleProduct,
  scale: number,
): void {
  const { rank, in: inputs, out } = product;
  if (inputs !== module.in || out !== module.out)
    throw new FedrotError(
      'tensor_shape',
      `module ${module.name} takes ${module.in} in and ${module.out} out; what is to be merged ${inputs} and ${out}`,
    );
  addLora(matrix, dims, { module, rank, scale }, { a: product.a(), b: product.b() });
}

function withInitializers(model: Model, changed: ReadonlyMap<string, TensorValue>): Model {
  const initializers = new Map([...model.graph.initializers, ...changed]);
  return { ...model, graph: { ...model.graph, initializers } };
}

async function overwrite(path: string, offset: number, bytes: Uint8Array): Promise<void> {
  const file: FileHandle = await open(path, 'r+');
  try {
    for (let done = 0; done < bytes.length;)
      done += (await file.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
    await file.sync();
  } finally {
    await file.close();
  }
}
