import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE } from '../../bundle-names.js';
import { FedrotError } from '../../errors.js';
import { bundleManifestSchema, type BundleFile } from '../../model/bundle-manifest.js';
import { openBundle, type Bundle } from '../../model/bundle.js';
import { checkJson, parseJsonObject } from '../../model/json-file.js';
import type { FileStream } from '../../rpc/gen/fedrot/v1/FileStream.js';
import { requireSignature, type TrustedSigners } from './bundle-signature.js';
import type { Connection } from './connection.js';
import { download, exists, type Piece } from './download.js';

const MAX_MANIFEST_BYTES = 64 * 1024 ** 2;
const MAX_FILE_BYTES = 4 * 1024 ** 4;

function piece(part: FileStream): Piece {
  if (part.info) return { kind: 'head', header: Buffer.alloc(0), payloadBytes: part.info.bytes };
  if (part.chunk) return { kind: 'chunk', ...part.chunk };
  if (part.digest) return { kind: 'digest', ...part.digest };
  throw new FedrotError('stream_truncated', 'the coordinator sent an empty part of a bundle');
}

async function* pieces(parts: AsyncIterable<FileStream>): AsyncGenerator<Piece, void, undefined> {
  for await (const part of parts) yield piece(part);
}

export interface BundleRules {
  /** Default: no signature is asked for. */
  readonly signers?: TrustedSigners | undefined;
  /** Throws where so many bytes do not fit. */
  readonly requireDisk?: (bytes: number) => Promise<void>;
}

/**
 * The bundle from `<folder>/<sha256>`, or from the coordinator: manifest.json first, its SHA-256 is the bundle's name; then every
 * file that it lists, each checked against the SHA-256 that stands there. Files appear in the folder's final name only together.
 * Repeats until it has them; throws what can never succeed, and cancelled. `onBytes` reports bytes of files that are whole.
 */
export async function fetchBundle(
  connection: Connection,
  folder: string,
  sha256: string,
  signal: AbortSignal,
  { signers, requireDisk }: BundleRules = {},
): Promise<Bundle> {
  const target = join(folder, sha256);
  if (signers !== undefined) {
    await mkdir(folder, { recursive: true });
    await requireSignature(connection, sha256, join(folder, `${sha256}.sig.json`), signers, signal);
  }
  if (await exists(target)) return openBundle(target, { verify: false, sha256 });
  const incoming = join(folder, `${sha256}.incoming`);
  await mkdir(incoming, { recursive: true });
  const get = (file: string, fileSha256: string, size: { bytes?: number; maxBytes: number }): Promise<void> =>
    connection.repeat(`fetch ${file} of bundle ${sha256.slice(0, 12)}`, signal, () =>
      download({
        target: join(incoming, file),
        sha256: fileSha256,
        ...size,
        headerBytes: () => Promise.resolve(0),
        stream: (offset) =>
          pieces(connection.calls.fetchBundleFile({ bundleSha256: sha256, file, offset }, { signal })),
      }),
    );
  await get(MANIFEST_FILE, sha256, { maxBytes: MAX_MANIFEST_BYTES });
  const files = await listedFiles(join(incoming, MANIFEST_FILE));
  await requireDisk?.(files.reduce((sum, { bytes }) => sum + bytes, 0));
  for (const { name, bytes, sha256: fileSha256 } of files)
    await get(name, fileSha256, { bytes, maxBytes: MAX_FILE_BYTES });
  // Every file was hashed as it came; what remains is that they fit together.
  await verified(incoming, sha256);
  await rename(incoming, target);
  return openBundle(target, { verify: false, sha256 });
}

async function listedFiles(path: string): Promise<readonly BundleFile[]> {
  const text = await readFile(path, 'utf8');
  return checkJson(bundleManifestSchema, parseJsonObject(text, path), path).files;
}

async function verified(incoming: string, sha256: string): Promise<void> {
  try {
    await openBundle(incoming, { verify: true, sha256 });
  } catch (error) {
    await rm(incoming, { recursive: true, force: true });
    throw error;
  }
}
