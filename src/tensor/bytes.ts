import { endianness } from 'node:os';
import { FedrotError } from '../errors.js';
import { BYTES_PER_ELEMENT, type WireDType } from './dtype.js';
import { decodeBF16, decodeF16, encodeBF16, encodeF16 } from './half.js';

if (endianness() !== 'LE')
  throw new FedrotError('internal', 'fedrot needs a little-endian machine: tensors travel little-endian');

/** The same bytes at an address that is a multiple of `alignment`; copied only where they are not already. */
function aligned(bytes: Uint8Array, alignment: number): Uint8Array {
  return bytes.byteOffset % alignment === 0 ? bytes : new Uint8Array(bytes);
}

const words = (bytes: Uint8Array): Uint32Array => {
  const at = aligned(bytes, 4);
  return new Uint32Array(at.buffer, at.byteOffset, bytes.length >>> 2);
};

const halves = (bytes: Uint8Array): Uint16Array => {
  const at = aligned(bytes, 2);
  return new Uint16Array(at.buffer, at.byteOffset, bytes.length >>> 1);
};

const DECODE: Readonly<Record<WireDType, (bytes: Uint8Array) => Float32Array>> = {
  f32: (bytes) => new Float32Array(new Uint8Array(bytes).buffer),
  f16: (bytes) => decodeF16(halves(bytes)),
  bf16: (bytes) => decodeBF16(halves(bytes)),
};

const ENCODE: Readonly<Record<WireDType, (values: Float32Array) => ArrayBufferView>> = {
  f32: (values) => values,
  f16: (values) => encodeF16(values),
  bf16: (values) => encodeBF16(values),
};

/** Raw little-endian elements, at any address, as a float32 array of their own. Throws file_invalid where they are not whole elements. */
export function decodeElements(bytes: Uint8Array, dtype: WireDType): Float32Array {
  if (bytes.length % BYTES_PER_ELEMENT[dtype] !== 0)
    throw new FedrotError('file_invalid', `${bytes.length} bytes are not whole ${dtype} elements`);
  return DECODE[dtype](bytes);
}

/** Elements as raw little-endian bytes. f32 shares the values' memory; a value beyond f16 or bf16 becomes infinity. */
export function encodeElements(values: Float32Array, dtype: WireDType): Uint8Array {
  const view = ENCODE[dtype](values);
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function firstWith16(bytes: Uint8Array, exponent: number): number {
  const view = halves(bytes);
  for (let i = 0; i < view.length; i++) if ((view[i]! & exponent) === exponent) return i;
  return -1;
}

const FIRST_NOT_FINITE: Readonly<Record<WireDType, (bytes: Uint8Array) => number>> = {
  f32: (bytes) => {
    const view = words(bytes);
    for (let i = 0; i < view.length; i++) if ((view[i]! & 0x7f800000) === 0x7f800000) return i;
    return -1;
  },
  f16: (bytes) => firstWith16(bytes, 0x7c00),
  bf16: (bytes) => firstWith16(bytes, 0x7f80),
};

/** So many bytes at a time are put where an element's address is a multiple of its size: they stay in the innermost cache. */
const PIECE_BYTES = 16 * 1024;
const piece = new Float32Array(PIECE_BYTES / 4);
const pieceBytes = new Uint8Array(piece.buffer);

/** Sum of the squares of all elements, in float64. The bytes are whole elements at any address. */
export function squareSum(bytes: Uint8Array, dtype: WireDType): number {
  if (dtype !== 'f32') return sumOfSquares(DECODE[dtype](bytes));
  if (bytes.byteOffset % 4 === 0)
    return sumOfSquares(new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2));
  let sum = 0;
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const part = bytes.subarray(at, at + PIECE_BYTES);
    pieceBytes.set(part);
    sum += sumOfSquares(piece.subarray(0, part.length >>> 2));
  }
  return sum;
}

function sumOfSquares(values: Float32Array): number {
  // Four sums, because each addition has to wait for the one before.
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  const whole = values.length - (values.length % 4);
  for (let i = 0; i < whole; i += 4) {
    s0 += values[i]! * values[i]!;
    s1 += values[i + 1]! * values[i + 1]!;
    s2 += values[i + 2]! * values[i + 2]!;
    s3 += values[i + 3]! * values[i + 3]!;
  }
  for (let i = whole; i < values.length; i++) s0 += values[i]! * values[i]!;
  return s0 + s1 + (s2 + s3);
}

/** Index of the first element that is NaN or infinite, −1 if there is none. The bytes are whole elements at any address. */
export function firstNotFinite(bytes: Uint8Array, dtype: WireDType): number {
  return FIRST_NOT_FINITE[dtype](bytes);
}
