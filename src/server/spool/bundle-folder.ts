import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, SIGNATURE_FILE } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import { sha256Hex } from '../../sha256.js';
import { storageError } from '../store/storage-error.js';
import { checkBundleNames, parseBundleFiles, type BundleFile } from './bundle-files.js';
import { DurableFile, fileSize } from './durable-file.js';
import { readChunks } from './read-chunks.js';

export interface StoredBundle {
  /** SHA-256 of its manifest, hex. */
  readonly sha256: string;
  /** Of the files that are here. */
  readonly bytes: number;
  readonly complete: boolean;
}

const TEMP_PREFIX = '.temp-';
const READ_BYTES = 1024 * 1024;

/** Bundles as folders named by their hash: complete once manifest.json lies there, which happens only when all it lists is there and right. */
export class BundleFolder {
  private constructor(readonly folder: string) {}

  static async open(folder: string): Promise<BundleFolder> {
    try {
      await mkdir(folder, { recursive: true });
      for (const bundle of await readdir(folder))
        for (const file of await readdir(join(folder, bundle)))
          if (file.startsWith(TEMP_PREFIX)) await rm(join(folder, bundle, file), { force: true });
    } catch (thrown) {
      throw storageError(thrown, `opening the bundles in ${folder}`);
    }
    return new BundleFolder(folder);
  }

  pathOf(bundle: string, file: string): string {
    checkBundleNames(bundle, file);
    return join(this.folder, bundle, file);
  }

  async isComplete(bundle: string): Promise<boolean> {
    return (await fileSize(this.pathOf(bundle, MANIFEST_FILE))) !== undefined;
  }

  async list(): Promise<readonly StoredBundle[]> {
    const bundles: StoredBundle[] = [];
    for (const sha256 of (await readdir(this.folder)).sort()) {
      let bytes = 0;
      for (const file of await readdir(join(this.folder, sha256)))
        bytes += (await fileSize(join(this.folder, sha256, file))) ?? 0;
      bundles.push({ sha256, bytes, complete: await this.isComplete(sha256) });
    }
    return bundles;
  }

  /** A file of a complete bundle, or its manifest. Throws not_found with what to do. */
  async find(bundle: string, file: string): Promise<BundleFile> {
    const path = this.pathOf(bundle, MANIFEST_FILE);
    if (!(await this.isComplete(bundle)))
      throw new FedrotError(
        'not_found',
        `bundle ${bundle} is not here; the operator has to push it: fedrot bundle push`,
      );
    const manifest = await readFile(path).catch((thrown: unknown) => {
      throw storageError(thrown, `reading ${path}`);
    });
    if (file === MANIFEST_FILE) return { name: file, bytes: manifest.length, sha256: bundle };
    if (file === SIGNATURE_FILE) return this.#signature(bundle);
    const entry = parseBundleFiles(manifest).find((candidate) => candidate.name === file);
    if (!entry) throw new FedrotError('not_found', `bundle ${bundle} has no file ${file}`);
    return entry;
  }

  async hasSignature(bundle: string): Promise<boolean> {
    return (await fileSize(this.pathOf(bundle, SIGNATURE_FILE))) !== undefined;
  }

  async writeSignature(bundle: string, text: string): Promise<void> {
    const file = await this.createTemp(bundle, SIGNATURE_FILE);
    try {
      await file.append(Buffer.from(text));
      await file.publish(this.pathOf(bundle, SIGNATURE_FILE));
    } catch (thrown) {
      await file.discard();
      throw thrown;
    }
  }

  /** A file of the bundle that is being pushed. */
  async createTemp(bundle: string, file: string): Promise<DurableFile> {
    const path = this.pathOf(bundle, file);
    const folder = join(path, '..');
    await mkdir(folder, { recursive: true }).catch((thrown: unknown) => {
      throw storageError(thrown, `creating ${folder}`);
    });
    return DurableFile.create(join(folder, `${TEMP_PREFIX}${randomUUID()}`));
  }

  /**
   * Takes a pushed manifest if it names the bundle and everything that it lists is here. Throws checksum_mismatch,
   * file_invalid, precondition_failed (a file has not been pushed).
   */
  async complete(bundle: string, manifest: DurableFile): Promise<void> {
    const bytes = await manifest.read(0, manifest.bytes);
    const actual = sha256Hex(bytes);
    if (actual !== bundle)
      throw new FedrotError(
        'checksum_mismatch',
        `${MANIFEST_FILE} has the SHA-256 ${actual}; the bundle is named ${bundle}`,
      );
    for (const file of parseBundleFiles(bytes)) await this.#verify(bundle, file);
    await manifest.publish(this.pathOf(bundle, MANIFEST_FILE));
  }

  async #signature(bundle: string): Promise<BundleFile> {
    const path = this.pathOf(bundle, SIGNATURE_FILE);
    if (!(await this.hasSignature(bundle)))
      throw new FedrotError('not_found', `bundle ${bundle} is not signed`);
    const bytes = await readFile(path).catch((thrown: unknown) => {
      throw storageError(thrown, `reading ${path}`);
    });
    const sha256 = sha256Hex(bytes);
    return { name: SIGNATURE_FILE, bytes: bytes.length, sha256 };
  }

  async #verify(bundle: string, file: BundleFile): Promise<void> {
    const path = this.pathOf(bundle, file.name);
    const size = await fileSize(path);
    if (size === undefined)
      throw new FedrotError(
        'precondition_failed',
        `${file.name} of bundle ${bundle} has not been pushed; ${MANIFEST_FILE} comes last`,
      );
    const hash = createHash('sha256');
    for await (const chunk of readChunks(path, 0, size, READ_BYTES)) hash.update(chunk);
    if (size !== file.bytes || hash.digest('hex') !== file.sha256)
      throw new FedrotError(
        'checksum_mismatch',
        `${file.name} of bundle ${bundle} is not the file that ${MANIFEST_FILE} lists: push it again`,
      );
  }
}
