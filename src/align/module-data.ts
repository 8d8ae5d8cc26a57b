import { FedrotError } from '../errors.js';
import { firstNotFinite } from '../tensor/bytes.js';
import type { TensorSource } from '../tensor/tensor.js';
import { fastKernels } from './fast-kernels.js';
import { shares, type SiloInstructions } from './instructions.js';
import { readFactors, type ModuleLayout } from './layout.js';
import { Loans, type ArrayPool } from './array-pool.js';
import type { Side } from './rotate.js';
import { transposed, type RowFactors } from './row-factors.js';

/** While N · r is at most this, a round's errors are computed exactly, from the Gram matrices of all pairs of silos. */
export const EXACT_RANK = 256;

/** Below this many bytes all silos' factors of a module are kept in memory; beyond, they are read again for every pass. */
const CACHE_BYTES = 16 * 2 ** 20;

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
  /** One of them, until the next call of this or of `unchecked`. */
  rows(silo: number, side: Side): Float32Array;
  /** ‖A_i‖_F² or ‖B_i‖_F², of the factors as `factors` gives them. */
  square(silo: number, side: Side): number;
  /** As `factors`, but whatever was stored, and only until the next call of this or of `rows`: for sums, in which what is not finite shows. */
  unchecked(silo: number): RowFactors;
  /** A_i (r × in) or B_i (out × r) as it was sent, unchecked and until the next call for that side: without B's way to rows. */
  sent(silo: number, side: Side): Float32Array;
  /** Whether B is at hand as rows already. */
  readonly hasRowsOfB: boolean;
  /** Forgets what was read, and reads when it is asked from now on. What is not in `used` is read into again by the next module. */
  release(used: readonly Float32Array[]): void;
}

export function moduleData(
  layout: ModuleLayout,
  published: TensorSource,
  updates: readonly SiloUpdate[],
  instructions: SiloInstructions,
  pool: ArrayPool,
): ModuleData {
  const { r, in: inputs, out } = layout;
  const bytes = 4 * updates.length * r * (inputs + out);
  let keep = updates.length * r <= EXACT_RANK || bytes <= CACHE_BYTES;
  let readPrevious: RowFactors | undefined;
  const previous = (): RowFactors => (readPrevious ??= readFactors(published, layout));
  const shared = { a: shares(instructions, 'a'), b: shares(instructions, 'b') };
  const kept = updates.map((): Partial<Record<Side, Float32Array>> => ({}));
  const squares = updates.map((): Partial<Record<Side, number>> => ({}));

  const loans = new Loans(pool);
  /** `room`: where memory comes from. */
  const load = (silo: number, side: Side, room?: (length: number) => Float32Array): Float32Array => {
    if (!shared[side]) return side === 'a' ? previous().a : previous().bt;
    const length = r * (side === 'a' ? inputs : out);
    const into = room?.(length);
    const read = updates[silo]!.tensors.read(layout[side], into);
    if (side === 'a') {
      if (into && read !== into) loans.giveBack(into);
      return filled(read, length);
    }
    const bt = transposed(read, out, read.length / out, room?.(read.length));
    if (into) loans.giveBack(into);
    return filled(bt, length);
  };
  const check = (silo: number, side: Side, rows: Float32Array): Float32Array => {
    squares[silo]![side] ??= shared[side]
      ? checkFinite(rows, layout[side], updates[silo]!.silo)
      : squareOf(rows);
    return rows;
  };
  /** What is kept; else read, and lent where the next call takes it back. */
  const rowsOf = (silo: number, side: Side, lend: boolean): Float32Array => {
    const rows = kept[silo]![side] ?? load(silo, side, keep || lend ? loans.take : undefined);
    if (keep) kept[silo]![side] = rows;
    return rows;
  };
  let lent: readonly Float32Array[] = [];
  const sent: Partial<Record<Side, Float32Array>> = {};
  const takeBack = (): void => {
    if (!keep) for (const rows of lent) loans.giveBack(rows);
  };
  const trains = (side: Side): boolean => instructions.train === 'both' || instructions.train === side;
  return {
    layout,
    weights: updates.map(({ weight }) => weight),
    get previous() {
      return previous();
    },
    shared,
    productsKnown: (shared.a || !trains('a')) && (shared.b || !trains('b')),
    factors: (silo) => ({
      ...{ r, in: inputs, out },
      a: check(silo, 'a', rowsOf(silo, 'a', false)),
      bt: check(silo, 'b', rowsOf(silo, 'b', false)),
    }),
    rows(silo, side) {
      takeBack();
      lent = [rowsOf(silo, side, true)];
      return check(silo, side, lent[0]!);
    },
    square(silo, side) {
      if (squares[silo]![side] === undefined) this.rows(silo, side);
      return squares[silo]![side]!;
    },
    unchecked(silo) {
      takeBack();
      const [a, bt] = [rowsOf(silo, 'a', true), rowsOf(silo, 'b', true)];
      lent = [a, bt];
      return { r, in: inputs, out, a, bt };
    },
    sent(silo, side) {
      const asSent = (rows: Float32Array): Float32Array => (side === 'a' ? rows : transposed(rows, r, out));
      const rows = kept[silo]![side];
      if (rows || !shared[side]) return asSent(rows ?? load(silo, side));
      const length = r * (side === 'a' ? inputs : out);
      const read = updates[silo]!.tensors.read(layout[side], (sent[side] ??= loans.take(length)));
      return read.length === length ? read : asSent(load(silo, side));
    },
    get hasRowsOfB() {
      return kept.some(({ b }) => b !== undefined);
    },
    release(used) {
      keep = false;
      kept.splice(0, kept.length, ...updates.map(() => ({})));
      loans.giveBackAllBut(used);
      readPrevious = undefined; // what is dead and has grown old may hold this object for long, and must not hold more
      delete sent.a;
      delete sent.b;
      lent = [];
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

/** ‖X‖_F², not finite where an element is not. */
export const squareOf = (data: Float32Array): number => fastKernels().squares(data);

/** The sum of the squares, which float32 values cannot take beyond float64. Throws tensor_not_finite, naming tensor and silo. */
export function checkFinite(data: Float32Array, tensor: string, silo: string): number {
  const square = squareOf(data);
  if (!Number.isFinite(square) && firstNotFinite(bytesOf(data), 'f32') >= 0)
    throw new FedrotError(
      'tensor_not_finite',
      `update of silo ${silo}: tensor ${tensor} has a NaN or infinity`,
    );
  return square;
}
