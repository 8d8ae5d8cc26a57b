import { FedrotError } from '../errors.js';
import { firstNotFinite, squareSum } from '../tensor/bytes.js';
import type { TensorSource } from '../tensor/tensor.js';
import { shares, type SiloInstructions } from './instructions.js';
import { readFactors, type ModuleLayout } from './layout.js';
import { transposed, type RowFactors } from './row-factors.js';

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
  /** Whether the silos share A, and B. Where they keep a factor that they train, their products are not known here. */
  readonly shared: { readonly a: boolean; readonly b: boolean };
  readonly productsKnown: boolean;
  /**
   * Factors of the i-th silo, as rows; a smaller rank filled up with zero rows, a factor that is not shared as published. Throws
   * tensor_not_finite.
   */
  factors(silo: number): RowFactors;
  /** ‖A_i‖_F² or ‖B_i‖_F², of the factors as `factors` gives them. */
  square(silo: number, side: 'a' | 'b'): number;
  /** Forgets what was read; from now on everything is read when it is asked for. */
  release(): void;
}

export function moduleData(
  layout: ModuleLayout,
  published: TensorSource,
  updates: readonly SiloUpdate[],
  instructions: SiloInstructions,
): ModuleData {
  const { r, in: inputs, out } = layout;
  const bytes = 4 * updates.length * r * (inputs + out);
  let keep = updates.length * r <= EXACT_RANK || bytes <= CACHE_BYTES;
  const kept: (RowFactors | undefined)[] = [];
  const previous = readFactors(published, layout);
  const shared = { a: shares(instructions, 'a'), b: shares(instructions, 'b') };
  const squares: { a: number; b: number }[] = [];
  const read = (i: number): RowFactors => {
    const { silo, tensors } = updates[i]!;
    const a = shared.a ? tensors.read(layout.a) : previous.a;
    const b = shared.b ? tensors.read(layout.b) : previous.bt;
    // In the pass that lengths need anyway: what is not finite shows in them.
    squares[i] = {
      a: shared.a ? checkFinite(a, layout.a, silo) : squareSum(bytesOf(a), 'f32'),
      b: shared.b ? checkFinite(b, layout.b, silo) : squareSum(bytesOf(b), 'f32'),
    };
    return {
      r,
      in: inputs,
      out,
      a: filled(a, r * inputs),
      bt: shared.b ? filled(transposed(b, out, b.length / out), r * out) : b,
    };
  };
  const trains = (side: 'a' | 'b'): boolean => instructions.train === 'both' || instructions.train === side;
  return {
    layout,
    weights: updates.map(({ weight }) => weight),
    previous,
    shared,
    productsKnown: (shared.a || !trains('a')) && (shared.b || !trains('b')),
    factors(silo) {
      const known = kept[silo];
      if (known) return known;
      const factors = read(silo);
      if (keep) kept[silo] = factors;
      return factors;
    },
    square(silo, side) {
      if (squares[silo] === undefined) this.factors(silo);
      return squares[silo]![side];
    },
    release() {
      keep = false;
      kept.length = 0;
    },
  };
}

/** Zero rows after the last. */
function filled(rows: Float32Array, length: number): Float32Array {
  if (rows.length === length) return rows;
  const result = new Float32Array(length);
  result.set(rows);
  return result;
}

const bytesOf = (data: Float32Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

/** The sum of the squares, which float32 values cannot take beyond float64. Throws tensor_not_finite, naming tensor and silo. */
export function checkFinite(data: Float32Array, tensor: string, silo: string): number {
  const bytes = bytesOf(data);
  const square = squareSum(bytes, 'f32');
  if (!Number.isFinite(square) && firstNotFinite(bytes, 'f32') >= 0)
    throw new FedrotError(
      'tensor_not_finite',
      `update of silo ${silo}: tensor ${tensor} has a NaN or infinity`,
    );
  return square;
}
