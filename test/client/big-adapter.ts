import { encodeTensorFile } from '../../src/tensor/encode-file.js';
import type { NamedTensor } from '../../src/tensor/tensor.js';

/** About 1.6 MB: some 25 chunks of the fake coordinator. */
export const ADAPTER: readonly NamedTensor[] = ['a', 'b'].map((name, at) => ({
  name: `base_model.model.${name}.weight`,
  shape: [2, 100_000],
  data: Float32Array.from({ length: 200_000 }, (_, index) => Math.sin(index + at)),
}));
/** What a silo makes of it. */
export const TRAINED = encodeTensorFile(
  ADAPTER.map((tensor) => ({ ...tensor, data: tensor.data.map((value) => value + 0.5) })),
);
