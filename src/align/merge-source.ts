import { canonicalOrder } from '../tensor/canonical.js';
import { FedrotError } from '../errors.js';
import type { TensorInfo, TensorSource } from '../tensor/tensor.js';
import type { ModuleLayout } from './layout.js';
import type { Merge } from './method.js';
import { transposed } from './row-factors.js';

/** What silos merge, as tensors under the names of the adapter's factors; each is made when it is read, and not kept. */
export function mergeSource(
  modules: readonly { readonly layout: ModuleLayout; readonly merge: Merge }[],
): TensorSource {
  const readers = new Map<string, () => Float32Array>();
  const tensors: TensorInfo[] = [];
  for (const { layout, merge } of modules) {
    const { a, b, in: inputs, out } = layout;
    tensors.push({ name: a, dtype: 'f32', shape: [merge.rank, inputs] });
    tensors.push({ name: b, dtype: 'f32', shape: [out, merge.rank] });
    readers.set(a, () => merge.a());
    readers.set(b, () => transposed(merge.bt(), merge.rank, out));
  }
  return {
    tensors: canonicalOrder(tensors),
    read(name) {
      const reader = readers.get(name);
      if (!reader) throw new FedrotError('tensor_name', `there is no tensor ${name} to merge`);
      return reader();
    },
  };
}
