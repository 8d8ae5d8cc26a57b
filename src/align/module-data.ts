import { FedrotError } from '../errors.js';
import { firstNotFinite } from '../tensor/bytes.js';
import type { TensorSource } from '../tensor/tensor.js';
import { readFactors, type ModuleLayout } from './layout.js';
import type { RowFactors } from './row-factors.js';

/** While N · r is at most this, a round's errors are computed exactly, from the Gram matrices of all pairs of silos. */
export const EXACT_RANK = 256;

/** Below this many bytes all silos' factors of a module are kept in memory; beyond, they are read again for every pass. */
const CACHE_BYTES = 64 * 2 ** 20;

/** One update, its weight normalised. */
export interface SiloUpdate {
  readonly silo: string;
  /** p_i; all together 1. */
  readonly weight: number;
  readonly tensors: TensorSource;
}

/** One module's factors from every silo, in order of silo name. Memory is bounded whatever the number of silos. */
export interface ModuleData {
  readonly layout: ModuleLayout;
  /** p_i. */
  readonly weights: readonly number[];
  readonly previous: RowFactors;
  /** Factors of the i-th silo. Throws tensor_not_finite. */
  factors(silo: number): RowFactors;
}

export function moduleData(
  layout: ModuleLayout,
  previous: TensorSource,
  updates: readonly SiloUpdate[],
): ModuleData {
  const bytes = 4 * updates.length * layout.r * (layout.in + layout.out);
  const keep = updates.length * layout.r <= EXACT_RANK || bytes <= CACHE_BYTES;
  const kept: (RowFactors | undefined)[] = [];
  return {
    layout,
    weights: updates.map(({ weight }) => weight),
    previous: readFactors(previous, layout),
    factors(silo) {
      const known = kept[silo];
      if (known) return known;
      const factors = readFactors(updates[silo]!.tensors, layout);
      checkFinite(factors.a, layout.a, updates[silo]!.silo);
      checkFinite(factors.bt, layout.b, updates[silo]!.silo);
      if (keep) kept[silo] = factors;
      return factors;
    },
  };
}

/** Throws tensor_not_finite, naming tensor and silo. */
export function checkFinite(data: Float32Array, tensor: string, silo: string): void {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  if (firstNotFinite(bytes, 'f32') >= 0)
    throw new FedrotError(
      'tensor_not_finite',
      `update of silo ${silo}: tensor ${tensor} has a NaN or infinity`,
    );
}
