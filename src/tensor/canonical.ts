import { FedrotError } from '../errors.js';
import { BYTES_PER_ELEMENT, elementCount, SAFETENSORS_DTYPE } from './dtype.js';
import type { TensorInfo } from './tensor.js';

/**
 * The canonical safetensors file (docs/architecture.md, "The adapter file"): the one order and header that make a set of
 * tensors one sequence of bytes, so that a SHA-256 names it.
 */

/** Limits of a tensor list, as proto/fedrot/v1/tensor.proto states them. */
export const MAX_TENSORS = 65_536;
const MAX_NAME_BYTES = 512;
const MAX_DIMENSIONS = 8;

/** Bytes of a tensor's elements. */
export function tensorBytes(tensor: Pick<TensorInfo, 'dtype' | 'shape'>): number {
  return elementCount(tensor.shape) * BYTES_PER_ELEMENT[tensor.dtype];
}

/** Bytes of all tensors, one after the other. */
export function payloadBytes(tensors: readonly TensorInfo[]): number {
  return tensors.reduce((sum, tensor) => sum + tensorBytes(tensor), 0);
}

export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A sorted copy, by name in UTF-16 code units. */
export function canonicalOrder<T extends { readonly name: string }>(tensors: readonly T[]): T[] {
  return [...tensors].sort((a, b) => compareNames(a.name, b.name));
}

/** Throws manifest_invalid or tensor_shape unless the tensors are in canonical order, named once each and within the limits. */
export function checkCanonical(tensors: readonly TensorInfo[]): void {
  if (tensors.length > MAX_TENSORS)
    throw new FedrotError(
      'manifest_invalid',
      `${tensors.length} tensors; at most ${MAX_TENSORS} are allowed`,
    );
  let previous: string | undefined;
  for (const { name, shape } of tensors) {
    checkName(name);
    if (shape.length > MAX_DIMENSIONS)
      throw new FedrotError(
        'tensor_shape',
        `tensor ${name}: ${shape.length} dimensions; at most ${MAX_DIMENSIONS} are allowed`,
      );
    if (previous === name) throw new FedrotError('manifest_invalid', `tensor ${name} is listed twice`);
    if (previous !== undefined && compareNames(previous, name) > 0)
      throw new FedrotError(
        'manifest_invalid',
        `tensor ${name} comes after ${previous}: tensors must be in order of name`,
      );
    previous = name;
  }
  if (!Number.isSafeInteger(payloadBytes(tensors)))
    throw new FedrotError('tensor_shape', 'the tensors have more bytes than can be counted (2⁵³)');
}

function checkName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes < 1 || bytes > MAX_NAME_BYTES)
    throw new FedrotError(
      'manifest_invalid',
      `a tensor name has ${bytes} bytes; 1 to ${MAX_NAME_BYTES} are allowed (${JSON.stringify(name.slice(0, 64))})`,
    );
  if (Buffer.from(name).toString() !== name || name === '__metadata__')
    throw new FedrotError('manifest_invalid', `${JSON.stringify(name)} cannot be the name of a tensor`);
}

/**
 * Everything of the canonical file before the payload: 8 bytes of length (little-endian), then the header JSON padded with
 * spaces to a multiple of 8. The order of the argument does not matter. Throws as checkCanonical does.
 */
export function canonicalHeader(tensors: readonly TensorInfo[]): Buffer {
  const ordered = canonicalOrder(tensors);
  checkCanonical(ordered);
  const entries = ['"__metadata__":{"format":"pt"}'];
  let begin = 0;
  for (const tensor of ordered) {
    const end = begin + tensorBytes(tensor);
    // Written by hand: an object would put names like "0" first.
    entries.push(
      `${JSON.stringify(tensor.name)}:{"dtype":"${SAFETENSORS_DTYPE[tensor.dtype]}",` +
        `"shape":[${tensor.shape.join(',')}],"data_offsets":[${begin},${end}]}`,
    );
    begin = end;
  }
  const json = Buffer.from(`{${entries.join(',')}}`);
  const padded = Math.ceil(json.length / 8) * 8;
  const header = Buffer.alloc(8 + padded, ' ');
  header.writeBigUInt64LE(BigInt(padded));
  json.copy(header, 8);
  return header;
}
