import { FedrotError } from '../errors.js';

/** Element types that may travel on the wire and lie in the spool. In memory factors are always float32. */
export const WIRE_DTYPES = ['f32', 'f16', 'bf16'] as const;
export type WireDType = (typeof WIRE_DTYPES)[number];

export const BYTES_PER_ELEMENT: Readonly<Record<WireDType, number>> = { f32: 4, f16: 2, bf16: 2 };

/** Names used by the safetensors format. */
export const SAFETENSORS_DTYPE: Readonly<Record<WireDType, string>> = {
  f32: 'F32',
  f16: 'F16',
  bf16: 'BF16',
};

/** Number of elements of a shape; a scalar (empty shape) has one. Throws tensor_shape on anything but integers ≥ 0 whose product is a safe integer. */
export function elementCount(shape: readonly number[]): number {
  let count = 1;
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 0)
      throw new FedrotError(
        'tensor_shape',
        `shape [${shape.join(', ')}]: ${dim} is not an integer of at least 0`,
      );
    count *= dim;
  }
  if (!Number.isSafeInteger(count))
    throw new FedrotError('tensor_shape', `shape [${shape.join(', ')}]: too many elements`);
  return count;
}
