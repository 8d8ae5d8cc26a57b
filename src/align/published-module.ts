import { FedrotError } from '../errors.js';
import { firstNotFinite, squareSum } from '../tensor/bytes.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { CombinedModule } from './combine-module.js';
import type { ModuleLayout } from './layout.js';
import type { mergeSource } from './merge-source.js';
import { fromRows } from './row-factors.js';

/** What a version gets of one module. */
export interface PublishedModule {
  readonly tensors: readonly NamedTensor[];
  readonly merge: Parameters<typeof mergeSource>[0];
}

export function publishedModule(layout: ModuleLayout, { factors, merge }: CombinedModule): PublishedModule {
  const { r, in: inputs, out } = layout;
  const { a, b } = fromRows(factors);
  return {
    tensors: [
      { name: layout.a, shape: [r, inputs], data: a },
      { name: layout.b, shape: [out, r], data: b },
    ],
    merge: merge ? [{ layout, merge }] : [],
  };
}

/** ‖X‖² of what is going to be published. Throws tensor_not_finite, naming the tensor. */
export function checkRange({ name, data }: NamedTensor): number {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const square = squareSum(bytes, 'f32');
  const at = Number.isFinite(square) ? -1 : firstNotFinite(bytes, 'f32');
  if (at >= 0)
    throw new FedrotError(
      'tensor_not_finite',
      `tensor ${name}: the combined element ${at} is beyond float32; the updates' factors are too large`,
    );
  return square;
}
