import { FedrotError } from '../errors.js';
import { elementCount } from './dtype.js';

/**
 * Reads the header of any safetensors file (github.com/huggingface/safetensors, "Format"), with the reference
 * implementation's rules: at most 100 MB, every byte of the payload belongs to exactly one tensor, no holes.
 */

export const MAX_HEADER_BYTES = 100_000_000;

/** Bits of an element, for every dtype of the format. */
const BITS: Readonly<Record<string, number>> = {
  ...{ F4: 4, F6_E2M3: 6, F6_E3M2: 6 },
  ...{ BOOL: 8, U8: 8, I8: 8, F8_E5M2: 8, F8_E4M3: 8, F8_E8M0: 8, F8_E4M3FNUZ: 8, F8_E5M2FNUZ: 8 },
  ...{ U16: 16, I16: 16, F16: 16, BF16: 16 },
  ...{ U32: 32, I32: 32, F32: 32 },
  ...{ U64: 64, I64: 64, F64: 64, C64: 64 },
};

export interface SafetensorsEntry {
  readonly name: string;
  /** As the file says it, e.g. `F32`, `I64`. */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** In bytes from the start of the payload. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** In order of position in the payload. */
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the payload begins in the file. */
  readonly payloadOffset: number;
  readonly payloadBytes: number;
}

function invalid(what: string, cause?: unknown): FedrotError {
  return new FedrotError(
    'file_invalid',
    `not a safetensors file: ${what}`,
    cause === undefined ? {} : { cause },
  );
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && (item as number) >= 0);

/** Bytes of the header JSON, from a file's first 8 bytes. Throws file_invalid when out of range. */
export function headerJsonBytes(first8: Uint8Array, fileBytes: number): number {
  if (first8.length < 8 || fileBytes < 8) throw invalid(`${fileBytes} bytes are too few`);
  const declared = Buffer.from(first8.buffer, first8.byteOffset, 8).readBigUInt64LE();
  if (declared > BigInt(MAX_HEADER_BYTES))
    throw invalid(`its header would have ${declared} bytes; at most ${MAX_HEADER_BYTES} are allowed`);
  const bytes = Number(declared);
  if (bytes < 2 || 8 + bytes > fileBytes)
    throw invalid(`its header would have ${bytes} bytes in a file of ${fileBytes}`);
  return bytes;
}

/**
 * The header of a safetensors file. `bytes` holds at least length and header (the whole file will do); `fileBytes` is the size
 * of the whole file. Throws file_invalid on anything that the format does not allow.
 */
export function parseHeader(bytes: Uint8Array, fileBytes = bytes.length): SafetensorsHeader {
  const jsonBytes = headerJsonBytes(bytes, fileBytes);
  if (bytes.length < 8 + jsonBytes)
    throw invalid(`its header ends after ${bytes.length} of ${8 + jsonBytes} bytes`);
  const json = parseJson(bytes.subarray(8, 8 + jsonBytes));
  const payloadOffset = 8 + jsonBytes;
  const payloadBytes = fileBytes - payloadOffset;
  const entries: SafetensorsEntry[] = [];
  let metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(json)) {
    if (name === '__metadata__') metadata = parseMetadata(value);
    else entries.push(parseEntry(name, value));
  }
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCoverage(entries, payloadBytes);
  return { entries, metadata, payloadOffset, payloadBytes };
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  if (bytes[0] !== 0x7b) throw invalid('its header does not begin with {');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid('its header is not JSON in UTF-8', cause);
  }
  if (!isRecord(value)) throw invalid('its header is not a JSON object');
  return value;
}

function parseMetadata(value: unknown): Record<string, string> {
  if (!isRecord(value) || !Object.values(value).every((item) => typeof item === 'string'))
    throw invalid('__metadata__ is not a map of strings');
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): SafetensorsEntry {
  const label = JSON.stringify(name.slice(0, 200));
  if (!isRecord(value)) throw invalid(`tensor ${label} is not described by an object`);
  const { dtype, shape, data_offsets: offsets } = value;
  const bits = typeof dtype === 'string' && Object.hasOwn(BITS, dtype) ? BITS[dtype] : undefined;
  if (typeof dtype !== 'string' || bits === undefined)
    throw invalid(
      `tensor ${label} has the unknown dtype ${typeof dtype === 'string' ? JSON.stringify(dtype.slice(0, 40)) : `(${typeof dtype})`}`,
    );
  if (!isCounts(shape)) throw invalid(`tensor ${label} has no shape of integers of at least 0`);
  if (!isCounts(offsets) || offsets.length !== 2)
    throw invalid(`tensor ${label} has no data_offsets [begin, end]`);
  const [begin, end] = offsets as [number, number];
  const expected = (countElements(label, shape) * bits) / 8;
  if (end - begin !== expected)
    throw invalid(
      `tensor ${label}, ${dtype} [${shape.join(', ')}], needs ${expected} bytes; its offsets span ${end - begin}`,
    );
  return { name, dtype, shape, begin, end };
}

function countElements(label: string, shape: readonly number[]): number {
  try {
    return elementCount(shape);
  } catch (cause) {
    throw invalid(`tensor ${label} has too many elements`, cause);
  }
}

function checkCoverage(entries: readonly SafetensorsEntry[], payloadBytes: number): void {
  let covered = 0;
  for (const { name, begin, end } of entries) {
    if (begin !== covered)
      throw invalid(
        `tensor ${JSON.stringify(name.slice(0, 200))} begins at byte ${begin} of the payload; the one before ends at ${covered}`,
      );
    covered = end;
  }
  if (covered !== payloadBytes)
    throw invalid(`its tensors have ${covered} bytes, but ${payloadBytes} follow the header`);
}
