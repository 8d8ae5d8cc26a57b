import type { RotatedSum } from './kernels.js';
import type { SmallMatrix } from './small-matrix.js';
import { upTo } from './wasm-arena.js';
import { APART, pieceColumns, putPanels, type Wasm } from './wasm-pieces.js';

/** A sum that lies in the module's memory, so that nothing of it is copied from one silo to the next. */
export function wasmRotatedSum(wasm: Wasm, r: number, n: number): RotatedSum {
  const { arena } = wasm;
  const apart = upTo(n, 8) + APART;
  const kept = arena.keep(8 * upTo(r, 4) * apart);
  arena.f64.fill(0, kept.at / 8, kept.end / 8);
  const row = (j: number): Float64Array =>
    arena.f64.subarray(kept.at / 8 + j * apart, kept.at / 8 + j * apart + n);
  return {
    add(weight, rotation, x) {
      const addend = { at: kept.at, apart, weight, r, x, n };
      if (rotation) addRotated(wasm, addend, rotation);
      else addPlain(wasm, addend);
    },
    rounded() {
      const result = new Float32Array(r * n);
      for (let j = 0; j < r; j++) result.set(row(j), j * n);
      return result;
    },
    end() {
      arena.release(kept);
    },
  };
}

/** So many elements at a time, a multiple of 8, stay in the innermost cache. */
const ADD_PIECE = 4096;

export interface Addend {
  /** Where the sum's rows begin, and how many elements each is from the next. */
  readonly at: number;
  readonly apart: number;
  readonly weight: number;
  readonly r: number;
  readonly x: Float32Array;
  readonly n: number;
}

/** The sum += weight · X, element by element. */
export function addPlain({ exports, arena }: Wasm, { at, apart, weight, r, x, n }: Addend): void {
  const [xAt] = arena.reserve(4 * ADD_PIECE);
  const { f32 } = arena;
  for (let j = 0; j < r; j++)
    for (let from = 0; from < n; from += ADD_PIECE) {
      const width = Math.min(ADD_PIECE, n - from);
      const filled = upTo(width, 8);
      f32.set(x.subarray(j * n + from, j * n + from + width), xAt / 4);
      f32.fill(0, xAt / 4 + width, xAt / 4 + filled);
      exports.add(at + 8 * (j * apart + from), weight, xAt, filled);
    }
}

function addRotated(
  { exports, arena }: Wasm,
  { at, apart, weight, r, x, n }: Addend,
  rotation: SmallMatrix,
): void {
  const rows = upTo(r, 4);
  const piece = pieceColumns(n, 8 * rows + 4 * r);
  const [cAt, sliceAt, xAt] = arena.reserve(4 * r * rows, 32 * r, 4 * r * (piece + APART));
  putPanels(arena.f32, cAt / 4, 1, rotation, r, r);
  for (let from = 0; from < n; from += piece) {
    const width = Math.min(piece, n - from);
    const filled = upTo(width, 8);
    const stride = filled + APART;
    arena.put(xAt, x, r, n, from, width, stride, filled);
    exports.addRotated(at + 8 * from, apart, weight, cAt, rows, xAt, r, stride, filled, sliceAt);
  }
}
