import { FedrotError } from '../errors.js';
import { sha256Hex } from '../sha256.js';
import { encodeElements, firstNotFinite } from './bytes.js';
import { canonicalHeader, canonicalOrder } from './canonical.js';
import { elementCount, type WireDType } from './dtype.js';
import type { NamedTensor, TensorInfo, TensorSource } from './tensor.js';

/** What is known of tensors in memory, in canonical order. Throws tensor_shape where the data does not fit the shape. */
export function tensorInfos(tensors: readonly NamedTensor[], dtype: WireDType = 'f32'): TensorInfo[] {
  return canonicalOrder(tensors).map(({ name, shape, data }) => {
    if (elementCount(shape) !== data.length)
      throw new FedrotError(
        'tensor_shape',
        `tensor ${name}: shape [${shape.join(', ')}] does not hold ${data.length} elements`,
      );
    return { name, dtype, shape };
  });
}

export interface EncodedTensorFile {
  readonly bytes: Buffer;
  /** Of `bytes`, hex. */
  readonly sha256: string;
}

/**
 * The canonical safetensors file of tensors in any order, all with one dtype (f32 by default). Throws tensor_not_finite for NaN
 * or infinity, also where a finite value is too large for f16 or bf16; tensor_shape, manifest_invalid as checkCanonical.
 */
export function encodeTensorFile(
  tensors: readonly NamedTensor[],
  dtype: WireDType = 'f32',
): EncodedTensorFile {
  const parts: Uint8Array[] = [canonicalHeader(tensorInfos(tensors, dtype))];
  for (const { name, data } of canonicalOrder(tensors)) {
    const bytes = encodeElements(data, dtype);
    const at = firstNotFinite(bytes, dtype);
    if (at >= 0)
      throw new FedrotError(
        'tensor_not_finite',
        `tensor ${name}: element ${at} is ${data[at]}, which is not finite in ${dtype}`,
      );
    parts.push(bytes);
  }
  const bytes = Buffer.concat(parts);
  return { bytes, sha256: sha256Hex(bytes) };
}

/** Tensors in memory as a source. `read` returns the arrays themselves, not copies. Throws manifest_invalid for a name that comes twice. */
export function memorySource(tensors: readonly NamedTensor[]): TensorSource {
  const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  if (byName.size !== tensors.length) throw new FedrotError('manifest_invalid', 'a tensor name comes twice');
  return {
    tensors: tensorInfos(tensors),
    read(name) {
      const tensor = byName.get(name);
      if (!tensor) throw new FedrotError('tensor_name', `there is no tensor ${name}`);
      return tensor.data;
    },
  };
}
