import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { MANIFEST_FILE, SIGNATURE_FILE } from '../../bundle-names.js';
import type { Bundle } from '../../model/bundle.js';
import { digestFile } from '../../model/file-digest.js';
import type { PushBundleFileRequestInput } from '../../rpc/gen/fedrot/v1/PushBundleFileRequest.js';
import { fileChunks } from './chunks.js';
import type { AdminClient } from './connect.js';

export interface PushProgress {
  readonly file: string;
  readonly sentBytes: number;
  readonly totalBytes: number;
}

interface OutgoingFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** The bundle's files in the order of sending: its manifest last, for it completes the bundle. */
async function filesOf({ folder, manifest, sha256 }: Bundle): Promise<OutgoingFile[]> {
  const { size } = await stat(join(folder, MANIFEST_FILE));
  return [...manifest.files, { name: MANIFEST_FILE, bytes: size, sha256 }];
}

/** The signature of `fedrot bundle sign`, where there is one. */
async function signatureOf({ folder }: Bundle): Promise<OutgoingFile[]> {
  try {
    const { bytes, sha256 } = await digestFile(join(folder, SIGNATURE_FILE));
    return [{ name: SIGNATURE_FILE, bytes, sha256 }];
  } catch {
    return [];
  }
}

/** Whether the coordinator has the whole bundle. */
export async function hasBundle(admin: AdminClient, sha256: string): Promise<boolean> {
  const { bundles } = await admin.listBundles({});
  return bundles.some(({ bundleSha256, complete }) => bundleSha256 === sha256 && complete);
}

/** Sends a bundle to the coordinator unless it has it; resolves with the bytes that were sent. */
export async function pushBundle(
  admin: AdminClient,
  bundle: Bundle,
  onProgress: (progress: PushProgress) => void = () => undefined,
): Promise<number> {
  const signature = await signatureOf(bundle);
  const present = await hasBundle(admin, bundle.sha256);
  // The signature goes first: the coordinator signs what comes without one. A new one replaces an old one.
  const files = [...signature, ...(present ? [] : await filesOf(bundle))];
  if (files.length === 0) return 0;
  const totalBytes = files.reduce((sum, { bytes }) => sum + bytes, 0);
  let sentBytes = 0;
  async function* requests({
    name,
    bytes,
    sha256,
  }: OutgoingFile): AsyncGenerator<PushBundleFileRequestInput> {
    yield {
      begin: { bundleSha256: bundle.sha256, file: name, bytes, sha256: Buffer.from(sha256, 'hex') },
    };
    for await (const chunk of fileChunks(join(bundle.folder, name), bytes)) {
      yield { chunk };
      sentBytes += chunk.data.length;
      onProgress({ file: name, sentBytes, totalBytes });
    }
    yield { digest: { sha256: Buffer.from(sha256, 'hex') } };
  }
  for (const file of files) await admin.pushBundleFile(requests(file));
  return totalBytes;
}
