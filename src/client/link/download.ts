import { mkdir, open, rename, rm, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FedrotError } from '../../errors.js';
import { digestFile } from '../../model/file-digest.js';
import { withStorageErrors } from '../../storage-error.js';

/** A stream of a file's bytes, whatever its messages are called. */
export type Piece =
  | {
      readonly kind: 'head';
      /** What comes before the payload in the file; empty where the payload is the file. */
      readonly header: Buffer;
      readonly payloadBytes: number;
    }
  | { readonly kind: 'chunk'; readonly offset: number; readonly data: Buffer }
  | { readonly kind: 'digest'; readonly sha256: Buffer };

export interface Download {
  /** Where the whole file goes; `<target>.partial` until then. */
  readonly target: string;
  /** Of the whole file, hex. */
  readonly sha256: string;
  /** Bytes of the whole file, as far as they are known beforehand. */
  readonly bytes?: number;
  /** No file is larger than this. */
  readonly maxBytes: number;
  /** Bytes before the payload in a partial file; 0 where the payload is the file. */
  readonly headerBytes: (partial: string) => Promise<number>;
  /** Asks for the payload from an offset on: head, chunks, digest. */
  readonly stream: (offset: number) => AsyncIterable<Piece>;
}

export async function exists(path: string): Promise<boolean> {
  return (await sizeOf(path)) !== undefined;
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch {
    return undefined;
  }
}

/** Length of a safetensors header as its first 8 bytes state it, the 8 bytes included; 0 where the file is shorter. */
export async function safetensorsHeaderBytes(path: string): Promise<number> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return bytesRead < 8 ? 0 : 8 + Number(buffer.readBigUInt64LE());
  } finally {
    await file.close();
  }
}

/**
 * One attempt to get a file, continued where the last one broke off, also after a restart of the process. The file appears
 * under its name only when it is whole, has the expected SHA-256 and is on the disk. Throws what the stream throws;
 * stream_truncated where it ends early or jumps, message_too_large, and checksum_mismatch (the partial file is then removed, so
 * that the next attempt begins anew).
 */
export function download(job: Download): Promise<void> {
  return withStorageErrors(job.target, () => attempt(job));
}

async function attempt(job: Download): Promise<void> {
  if (await exists(job.target)) return;
  await mkdir(dirname(job.target), { recursive: true });
  const partial = `${job.target}.partial`;
  const offset = await resumeOffset(job, partial);
  const file = await open(partial, offset === 0 ? 'w' : 'r+');
  try {
    await receive(job, file, offset);
    await file.sync();
  } finally {
    await file.close();
  }
  const { sha256 } = await digestFile(partial);
  if (sha256 !== job.sha256) {
    await rm(partial, { force: true });
    throw new FedrotError(
      'checksum_mismatch',
      `${job.target}: what came has SHA-256 ${sha256}, expected ${job.sha256}`,
    );
  }
  await rename(partial, job.target);
}

/** Payload bytes that a partial file already has; 0 where nobody knows how large the whole file is. */
async function resumeOffset({ bytes, headerBytes }: Download, partial: string): Promise<number> {
  const size = await sizeOf(partial);
  if (size === undefined || bytes === undefined || size > bytes) return 0;
  return Math.max(0, size - (await headerBytes(partial)));
}

async function receive(job: Download, file: FileHandle, offset: number): Promise<void> {
  let header: Buffer | undefined;
  let payloadBytes = 0;
  let at = offset;
  for await (const piece of job.stream(offset)) {
    if (piece.kind === 'digest') {
      if (header === undefined || at !== payloadBytes) break;
      if (piece.sha256.toString('hex') === job.sha256) return;
      throw new FedrotError(
        'checksum_mismatch',
        `${job.target}: the coordinator sends ${piece.sha256.toString('hex')}, expected ${job.sha256}`,
      );
    }
    if (piece.kind === 'head') {
      ({ header, payloadBytes } = piece);
      checkSize(job, header.length + payloadBytes);
      if (offset === 0) await file.write(header, 0, header.length, 0);
      continue;
    }
    if (header === undefined || piece.offset !== at || at + piece.data.length > payloadBytes)
      throw new FedrotError(
        'stream_truncated',
        `${job.target}: a chunk begins at byte ${piece.offset}; expected ${at} of ${payloadBytes}`,
      );
    await file.write(piece.data, 0, piece.data.length, header.length + at);
    at += piece.data.length;
  }
  throw new FedrotError(
    'stream_truncated',
    `${job.target}: the stream ended after ${at} of ${payloadBytes} bytes`,
  );
}

function checkSize(job: Download, bytes: number): void {
  if (job.bytes !== undefined && bytes !== job.bytes)
    throw new FedrotError('checksum_mismatch', `${job.target}: has ${bytes} bytes, expected ${job.bytes}`);
  if (bytes > job.maxBytes)
    throw new FedrotError(
      'message_too_large',
      `${job.target}: has ${bytes} bytes; at most ${job.maxBytes} are taken`,
    );
}
