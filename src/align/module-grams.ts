import type { Kernels } from './kernels.js';
import type { ModuleData } from './module-data.js';
import { rowsOf, type CrossGram, type Side } from './rotate.js';
import { innerProduct, type SmallMatrix } from './small-matrix.js';

/** The r × r matrices of every silo of a module, each computed once; not kept where there are too many. */
export interface ModuleGrams {
  /** A_i A_iᵀ, or B_iᵀ B_i. */
  readonly own: (silo: number, side: Side) => SmallMatrix;
  /** A_i Āᵀ, or B_iᵀ B̄, with ‖X_i‖ ‖X̄‖, for the published factors that the round started from. */
  readonly cross: (silo: number, side: Side) => CrossGram;
  /** Ā Āᵀ, or B̄ᵀ B̄. */
  readonly reference: (side: Side) => SmallMatrix;
  /** ‖B_i A_i‖_F². */
  readonly square: (silo: number) => number;
}

/** Beyond so many bytes they are computed again when they are needed again. */
const KEPT_BYTES = 32 * 2 ** 20;

export function moduleGrams(kernels: Kernels, data: ModuleData): ModuleGrams {
  const { r } = data.layout;
  const keep = 8 * 4 * data.weights.length * r * r <= KEPT_BYTES;
  const once = <T>(compute: (silo: number, side: Side) => T): ((silo: number, side: Side) => T) => {
    const known = { a: new Map<number, T>(), b: new Map<number, T>() };
    return (silo, side) => {
      const before = known[side].get(silo);
      if (before !== undefined) return before;
      const value = compute(silo, side);
      if (keep) known[side].set(silo, value);
      return value;
    };
  };
  const own = once((silo, side) => {
    const { x, n } = rowsOf(data.factors(silo), side);
    return kernels.gram(x, r, x, r, n);
  });
  const ofReference = once((_, side) => {
    const { x, n } = rowsOf(data.previous, side);
    return kernels.gram(x, r, x, r, n);
  });
  const reference = (side: Side): SmallMatrix => ofReference(0, side);
  const cross = once((silo, side): CrossGram => {
    const { x, n } = rowsOf(data.factors(silo), side);
    const scale = Math.sqrt(trace(own(silo, side), r)) * Math.sqrt(trace(reference(side), r));
    return { m: kernels.gram(x, r, rowsOf(data.previous, side).x, r, n), scale };
  });
  return { own, cross, reference, square: (silo) => innerProduct(own(silo, 'a'), own(silo, 'b')) };
}

export function trace(x: SmallMatrix, r: number): number {
  let sum = 0;
  for (let i = 0; i < r; i++) sum += x[i * r + i]!;
  return sum;
}
