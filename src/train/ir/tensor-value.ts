import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { FedrotError } from '../../errors.js';
import { elementCount } from '../../tensor/dtype.js';
import { decodeBF16, decodeF16, encodeF16 } from '../../tensor/half.js';
import { byteLength } from './element-type.js';
import type { ElementType, TensorValue } from './graph.js';

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** A tensor over raw little-endian bytes; throws tensor_shape where the size does not fit the shape. */
export function rawTensor(type: ElementType, dims: readonly number[], bytes: Uint8Array): TensorValue {
  const expected = byteLength(type, elementCount(dims));
  if (bytes.byteLength !== expected)
    throw new FedrotError(
      'tensor_shape',
      `${type} tensor of shape [${dims.join(', ')}] takes ${expected} bytes, got ${bytes.byteLength}`,
    );
  return { type, dims, data: { kind: 'inline', bytes } };
}

/** float32 over the array itself (no copy). */
export function floatTensor(dims: readonly number[], data: Float32Array | readonly number[]): TensorValue {
  return rawTensor('float', dims, bytesOf(data instanceof Float32Array ? data : Float32Array.from(data)));
}

export function doubleTensor(dims: readonly number[], data: Float64Array | readonly number[]): TensorValue {
  return rawTensor('double', dims, bytesOf(data instanceof Float64Array ? data : Float64Array.from(data)));
}

export function int64Tensor(dims: readonly number[], data: readonly (number | bigint)[]): TensorValue {
  return rawTensor('int64', dims, bytesOf(BigInt64Array.from(data, (value) => BigInt(value))));
}

/** A tensor of shape [values.length]: axes, sizes, starts, … */
export function int64Vector(values: readonly (number | bigint)[]): TensorValue {
  return int64Tensor([values.length], values);
}

export function boolTensor(dims: readonly number[], data: readonly boolean[]): TensorValue {
  return rawTensor('bool', dims, Uint8Array.from(data, Number));
}

/** A rank-0 tensor of a floating or integer type. */
export function scalarTensor(
  type: 'float' | 'double' | 'int64' | 'int32' | 'float16',
  value: number,
): TensorValue {
  switch (type) {
    case 'float':
      return floatTensor([], [value]);
    case 'double':
      return doubleTensor([], [value]);
    case 'int64':
      return int64Tensor([], [value]);
    case 'int32':
      return rawTensor('int32', [], bytesOf(Int32Array.of(value)));
    case 'float16':
      return rawTensor('float16', [], bytesOf(encodeF16(Float32Array.of(value))));
  }
}

/** The raw bytes, read from `folder` where they are external. Throws file_invalid where the file is missing or short. */
export function tensorBytes(value: TensorValue, folder?: string): Uint8Array {
  const { data } = value;
  if (data.kind === 'inline') return data.bytes;
  if (folder === undefined)
    throw new FedrotError(
      'internal',
      `tensor bytes lie in ${data.file}, but no folder was given to read it from`,
    );
  const bytes = new Uint8Array(data.length);
  let file: number | undefined;
  try {
    file = openSync(join(folder, data.file), 'r');
    let done = 0;
    while (done < bytes.length) {
      const read = readSync(file, bytes, done, Math.min(bytes.length - done, 1 << 30), data.offset + done);
      if (read === 0)
        throw new FedrotError(
          'file_invalid',
          `${data.file}: ends at byte ${data.offset + done}, but a tensor reaches to byte ${data.offset + data.length}`,
        );
      done += read;
    }
  } catch (error) {
    if (error instanceof FedrotError) throw error;
    throw new FedrotError('file_invalid', `${data.file}: cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  } finally {
    if (file !== undefined) closeSync(file);
  }
  return bytes;
}

/** A floating-point tensor's elements as float32 (float64 for double); a copy. Throws internal for another type. */
export function tensorFloats(value: TensorValue, folder?: string): Float32Array | Float64Array {
  const bytes = Uint8Array.from(tensorBytes(value, folder));
  switch (value.type) {
    case 'float':
      return new Float32Array(bytes.buffer);
    case 'double':
      return new Float64Array(bytes.buffer);
    case 'float16':
      return decodeF16(new Uint16Array(bytes.buffer));
    case 'bfloat16':
      return decodeBF16(new Uint16Array(bytes.buffer));
    default:
      throw new FedrotError('internal', `a tensor of type ${value.type} holds no floating-point numbers`);
  }
}

/** Every element as a JS number (int64 beyond 2^53 loses precision), whatever the type. For small tensors. */
export function tensorNumbers(value: TensorValue, folder?: string): number[] {
  const raw = tensorBytes(value, folder);
  const bytes = new Uint8Array(raw.byteLength);
  bytes.set(raw);
  const buffer = bytes.buffer;
  switch (value.type) {
    case 'float':
      return [...new Float32Array(buffer)];
    case 'double':
      return [...new Float64Array(buffer)];
    case 'int64':
      return Array.from(new BigInt64Array(buffer), Number);
    case 'uint64':
      return Array.from(new BigUint64Array(buffer), Number);
    case 'int32':
      return [...new Int32Array(buffer)];
    case 'uint32':
      return [...new Uint32Array(buffer)];
    case 'int16':
      return [...new Int16Array(buffer)];
    case 'uint16':
      return [...new Uint16Array(buffer)];
    case 'int8':
      return [...new Int8Array(buffer)];
    case 'uint8':
    case 'bool':
      return [...bytes];
    case 'float16':
      return [...decodeF16(new Uint16Array(buffer))];
    case 'bfloat16':
      return [...decodeBF16(new Uint16Array(buffer))];
    case 'uint4':
      return nibbles(bytes, elementCount(value.dims));
    case 'int4':
      return nibbles(bytes, elementCount(value.dims)).map((nibble) => (nibble < 8 ? nibble : nibble - 16));
    case 'string':
      throw new FedrotError('internal', 'a string tensor holds no numbers');
  }
}

function nibbles(bytes: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, i) => ((bytes[i >> 1] ?? 0) >> ((i & 1) * 4)) & 15);
}
