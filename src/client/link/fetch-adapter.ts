import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import type { AdapterPartInput } from '../../rpc/gen/fedrot/v1/AdapterPart.js';
import type { AdapterRef } from '../../rpc/gen/fedrot/v1/AdapterRef.js';
import type { TensorStream } from '../../rpc/gen/fedrot/v1/TensorStream.js';
import { canonicalHeader, payloadBytes } from '../../tensor/canonical.js';
import { fromManifest } from '../../tensor/manifest.js';
import { readTensorFile } from '../../tensor/read-tensors.js';
import type { NamedTensor } from '../../tensor/tensor.js';
import type { Connection } from './connection.js';
import { download, safetensorsHeaderBytes, type Piece } from './download.js';

/** Adapters over this are refused before they fill the disk. */
const MAX_ADAPTER_BYTES = 64 * 1024 ** 3;

function piece(part: TensorStream): Piece {
  if (part.manifest) {
    const tensors = fromManifest(part.manifest);
    return { kind: 'head', header: canonicalHeader(tensors), payloadBytes: payloadBytes(tensors) };
  }
  if (part.chunk) return { kind: 'chunk', ...part.chunk };
  if (part.digest) return { kind: 'digest', ...part.digest };
  throw new FedrotError('stream_truncated', 'the coordinator sent an empty part of an adapter');
}

async function* pieces(parts: AsyncIterable<TensorStream>): AsyncGenerator<Piece, void, undefined> {
  for await (const part of parts) yield piece(part);
}

/** One tensor file of a version: the adapter, or what silos merge. */
export interface TensorFileRef {
  readonly runId: string;
  readonly version: number;
  readonly sha256: Buffer;
  readonly bytes: number;
  /** Default the adapter. */
  readonly part?: AdapterPartInput;
}

/**
 * The file's path in `folder`, fetched where it is not there, checked against its SHA-256; a broken transfer continues where it
 * was. Repeats until it has it; throws what can never succeed, and cancelled.
 */
export async function fetchTensorFile(
  connection: Connection,
  folder: string,
  { runId, version, sha256, bytes, part = 'ADAPTER_PART_UNSPECIFIED' }: TensorFileRef,
  signal: AbortSignal,
): Promise<string> {
  const name = sha256.toString('hex');
  const target = join(folder, `${name}.safetensors`);
  await connection.repeat(`fetch adapter ${version} of ${runId}`, signal, () =>
    download({
      target,
      sha256: name,
      bytes,
      maxBytes: MAX_ADAPTER_BYTES,
      headerBytes: safetensorsHeaderBytes,
      stream: (offset) => pieces(connection.calls.fetchAdapter({ runId, version, offset, part }, { signal })),
    }),
  );
  return target;
}

/** A version's tensors. Repeats and throws as fetchTensorFile does. */
export async function fetchAdapter(
  connection: Connection,
  folder: string,
  ref: TensorFileRef,
  signal: AbortSignal,
): Promise<NamedTensor[]> {
  return readTensorFile(await fetchTensorFile(connection, folder, ref, signal));
}

/** Removes all adapters of a folder but one. */
export async function keepOnlyAdapter(folder: string, { sha256 }: Pick<AdapterRef, 'sha256'>): Promise<void> {
  const kept = `${sha256.toString('hex')}.safetensors`;
  for (const name of await readdir(folder).catch(() => []))
    if (name !== kept) await rm(join(folder, name), { force: true });
}
