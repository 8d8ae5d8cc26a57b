import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { FedrotError } from '../errors.js';
import { decodeElements } from './bytes.js';
import { canonicalHeader, canonicalOrder, compareNames } from './canonical.js';
import { WIRE_DTYPES, SAFETENSORS_DTYPE, type WireDType } from './dtype.js';
import {
  headerJsonBytes,
  parseHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
} from './safetensors-header.js';
import type { TensorInfo, TensorSource } from './tensor.js';

/** Any safetensors file, open for reading, e.g. a checkpoint of Hugging Face. Reads are synchronous; close it when done. */
export interface SafetensorsFile {
  /** In order of name (UTF-16 code units). */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the payload begins in the file. */
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  /** Raw little-endian bytes. Throws tensor_name for a name that is not there. */
  readBytes(name: string): Buffer;
  /** F32, F16, BF16 and F64 as float32; tensor_dtype for anything else. F32 is read `into` memory of its length, where there is any. */
  readFloat32(name: string, into?: Float32Array): Float32Array;
  close(): void;
}

/** An adapter or update at rest: a safetensors file of f32, f16 and bf16 tensors. */
export interface TensorFile extends TensorSource {
  readonly payloadOffset: number;
  readonly payloadBytes: number;
  /** Whether header and order are the canonical ones, so that the file's SHA-256 is its name on the wire. */
  readonly canonical: boolean;
  readBytes(name: string): Buffer;
  close(): void;
}

const READ_LIMIT = 0x40000000; // one read() takes less than 2 GiB

function readAt(
  fd: number,
  path: string,
  position: number,
  length: number,
  buffer: Buffer = Buffer.allocUnsafeSlow(length),
): Buffer {
  for (let done = 0; done < length;) {
    const got = readSync(fd, buffer, done, Math.min(length - done, READ_LIMIT), position + done);
    if (got === 0)
      throw new FedrotError(
        'file_invalid',
        `${path}: ends at byte ${position + done}, cut while it was read`,
      );
    done += got;
  }
  return buffer;
}

function readHeader(fd: number, path: string): { header: SafetensorsHeader; bytes: Buffer } {
  const { size } = fstatSync(fd);
  const first = readAt(fd, path, 0, Math.min(8, size));
  const bytes = readAt(fd, path, 0, 8 + headerJsonBytes(first, size));
  return { header: parseHeader(bytes, size), bytes };
}

function open(path: string): { fd: number; header: SafetensorsHeader; headerBytes: Buffer } {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new FedrotError(
      missing ? 'not_found' : 'file_invalid',
      `${path}: ${missing ? 'no such file' : 'cannot be opened'}`,
      {
        cause,
      },
    );
  }
  try {
    const { header, bytes } = readHeader(fd, path);
    return { fd, header, headerBytes: bytes };
  } catch (cause) {
    closeSync(fd);
    if (cause instanceof FedrotError && !cause.message.startsWith(path))
      throw new FedrotError(cause.code, `${path}: ${cause.message}`, { cause });
    if (cause instanceof FedrotError) throw cause;
    throw new FedrotError('file_invalid', `${path}: cannot be read`, { cause });
  }
}

const float64 = (bytes: Uint8Array): Float32Array =>
  Float32Array.from(new Float64Array(new Uint8Array(bytes).buffer));

const READERS: Readonly<Record<string, (bytes: Uint8Array) => Float32Array>> = {
  // readAt gives memory of its own, from the beginning of a buffer: no copy is needed.
  F32: (bytes) =>
    bytes.byteOffset % 4 === 0 && bytes.length % 4 === 0
      ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
      : decodeElements(bytes, 'f32'),
  F16: (bytes) => decodeElements(bytes, 'f16'),
  BF16: (bytes) => decodeElements(bytes, 'bf16'),
  F64: float64,
};

function fileOf({ fd, header }: { fd: number; header: SafetensorsHeader }, path: string): SafetensorsFile {
  const byName = new Map(header.entries.map((entry) => [entry.name, entry]));
  const entryOf = (name: string): SafetensorsEntry => {
    const entry = byName.get(name);
    if (!entry) throw new FedrotError('tensor_name', `${path}: has no tensor ${name}`);
    return entry;
  };
  const readBytes = (name: string): Buffer => {
    const { begin, end } = entryOf(name);
    return readAt(fd, path, header.payloadOffset + begin, end - begin);
  };
  let closed = false;
  return {
    entries: [...header.entries].sort((a, b) => compareNames(a.name, b.name)),
    metadata: header.metadata,
    payloadOffset: header.payloadOffset,
    payloadBytes: header.payloadBytes,
    readBytes,
    readFloat32(name, into) {
      const { dtype, begin, end } = entryOf(name);
      if (dtype === 'F32' && into?.byteLength === end - begin) {
        const room = Buffer.from(into.buffer, into.byteOffset, into.byteLength);
        readAt(fd, path, header.payloadOffset + begin, end - begin, room);
        return into;
      }
      const read = READERS[dtype];
      if (!read)
        throw new FedrotError(
          'tensor_dtype',
          `${path}: tensor ${name} is ${dtype}, which is not a floating-point type that fedrot reads`,
        );
      return read(readBytes(name));
    },
    close() {
      if (!closed) closeSync(fd);
      closed = true;
    },
  };
}

/** Opens any safetensors file. Throws not_found, or file_invalid with the path and what is wrong. */
export function openSafetensors(path: string): SafetensorsFile {
  return fileOf(open(path), path);
}

const WIRE_DTYPE = new Map<string, WireDType>(WIRE_DTYPES.map((dtype) => [SAFETENSORS_DTYPE[dtype], dtype]));

/** Opens an adapter or update. Throws as openSafetensors does, and tensor_dtype for a tensor that is not f32, f16 or bf16. */
export function openTensorFile(path: string): TensorFile {
  const opened = open(path);
  const file = fileOf(opened, path);
  try {
    const tensors = file.entries.map((entry) => tensorInfo(entry, path));
    return {
      tensors,
      payloadOffset: file.payloadOffset,
      payloadBytes: file.payloadBytes,
      canonical: isCanonical(tensors, opened.headerBytes),
      read: (name, into) => file.readFloat32(name, into),
      readBytes: (name) => file.readBytes(name),
      close: () => file.close(),
    };
  } catch (thrown) {
    file.close();
    throw thrown;
  }
}

function tensorInfo({ name, dtype, shape }: SafetensorsEntry, path: string): TensorInfo {
  const wire = WIRE_DTYPE.get(dtype);
  if (!wire)
    throw new FedrotError(
      'tensor_dtype',
      `${path}: tensor ${name} is ${dtype}; an adapter holds F32, F16 or BF16`,
    );
  return { name, dtype: wire, shape };
}

function isCanonical(tensors: readonly TensorInfo[], header: Buffer): boolean {
  try {
    return canonicalHeader(canonicalOrder(tensors)).equals(header);
  } catch {
    return false; // a name or shape beyond what the wire allows
  }
}
