import { decodeElements } from '../../tensor/bytes.js';
import { canonicalHeader } from '../../tensor/canonical.js';
import { BYTES_PER_ELEMENT, elementCount } from '../../tensor/dtype.js';
import type { NamedTensor } from '../../tensor/tensor.js';
import type { FetchedAdapter } from '../admin/fetch-adapter.js';

/** The tensors of a fetched adapter, as float32. */
export function tensorsOf({ tensors, bytes }: FetchedAdapter): NamedTensor[] {
  let at = canonicalHeader(tensors).length;
  return tensors.map(({ name, dtype, shape }) => {
    const end = at + elementCount(shape) * BYTES_PER_ELEMENT[dtype];
    const data = decodeElements(bytes.subarray(at, end), dtype);
    at = end;
    return { name, shape, data };
  });
}
