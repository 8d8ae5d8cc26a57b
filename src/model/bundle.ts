import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, SIGNATURE_FILE } from '../bundle-names.js';
import { FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';
import { loadModel } from '../train/ir/files.js';
import { bundleManifestSchema, type BundleManifest } from './bundle-manifest.js';
import { digestFile } from './file-digest.js';
import { checkJson, parseJsonObject } from './json-file.js';
import type { TextTokenizer } from './tokenizer.js';

/** A bundle on disk, checked. */
export interface Bundle {
  readonly folder: string;
  /** Of manifest.json, hex: the bundle's name. */
  readonly sha256: string;
  readonly manifest: BundleManifest;
  openTokenizer(): Promise<TextTokenizer>;
}

export interface OpenBundleOptions {
  /** Read every file and compare its SHA-256; false compares sizes only. */
  readonly verify: boolean;
  /** The bundle that it must be, hex. */
  readonly sha256?: string | undefined;
}

/**
 * Opens a bundle. Throws not_found where there is none; file_invalid for a manifest that is not one or cannot be read, a file
 * that is missing, of another size or not listed; checksum_mismatch for a file or manifest with another
 * content.
 */
export async function openBundle(folder: string, options: OpenBundleOptions): Promise<Bundle> {
  const path = join(folder, MANIFEST_FILE);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EACCES' || code === 'EPERM')
      throw new FedrotError(
        'file_invalid',
        `${path}: this user (${process.getuid?.() ?? 'here'}) may not read it`,
        { cause },
      );
    throw new FedrotError('not_found', `${folder}: is no bundle: it has no ${MANIFEST_FILE}`, { cause });
  }
  const sha256 = sha256Hex(bytes);
  if (options.sha256 !== undefined && options.sha256 !== sha256)
    throw new FedrotError('checksum_mismatch', `${folder}: is bundle ${sha256}, not ${options.sha256}`);
  const manifest = checkJson(bundleManifestSchema, parseJsonObject(bytes.toString(), path), path);
  await checkFiles(folder, manifest, options.verify);
  if (options.verify) checkExternalData(folder, manifest);
  return {
    folder,
    sha256,
    manifest,
    // Loaded when it is asked for: the coordinator reads bundles too, and has no tokenizers.
    openTokenizer: async () =>
      (await import('./tokenizer.js')).TextTokenizer.open(folder, { padId: manifest.tokenizer.padId }),
  };
}

/** The manifest lists exactly the files that are there, and they are what it says. */
async function checkFiles(folder: string, manifest: BundleManifest, verify: boolean): Promise<void> {
  const listed = new Map(manifest.files.map((file) => [file.name, file]));
  if (listed.size !== manifest.files.length || listed.has(MANIFEST_FILE))
    throw new FedrotError('file_invalid', `${MANIFEST_FILE}: lists a file twice, or itself`);
  if (!listed.has(manifest.model.file))
    throw new FedrotError(
      'file_invalid',
      `${MANIFEST_FILE}: does not list its model, ${manifest.model.file}`,
    );
  const unlisted = new Set([MANIFEST_FILE, SIGNATURE_FILE]);
  const unknown = (await readdir(folder)).find((name) => !unlisted.has(name) && !listed.has(name));
  if (unknown !== undefined)
    throw new FedrotError(
      'file_invalid',
      `${join(folder, unknown)}: is not listed in ${MANIFEST_FILE}; remove it`,
    );
  for (const file of manifest.files) {
    const path = join(folder, file.name);
    const size = await fileSize(path);
    if (size !== file.bytes)
      throw new FedrotError(
        'file_invalid',
        `${path}: ${size === undefined ? 'is missing' : `has ${size} bytes`}; ${MANIFEST_FILE} lists ${file.bytes} bytes`,
      );
    if (verify && (await digestFile(path)).sha256 !== file.sha256)
      throw new FedrotError('checksum_mismatch', `${path}: its content is not what ${MANIFEST_FILE} lists`);
  }
}

/** The model's weights lie in files of the bundle, not elsewhere on the machine. */
function checkExternalData(folder: string, manifest: BundleManifest): void {
  const sizes = new Map(manifest.files.map(({ name, bytes }) => [name, bytes]));
  for (const [name, { data }] of loadModel(folder, manifest.model.file).graph.initializers)
    if (data.kind === 'external' && data.offset + data.length > (sizes.get(data.file) ?? -1))
      throw new FedrotError(
        'file_invalid',
        `${join(folder, manifest.model.file)}: initializer ${name} lies outside the bundle's files (${data.file})`,
      );
}

/** Undefined for what is no plain file, or not there. */
async function fileSize(path: string): Promise<number | undefined> {
  try {
    // A link would lead out of the bundle.
    const found = await lstat(path);
    return found.isFile() ? found.size : undefined;
  } catch {
    return undefined;
  }
}
