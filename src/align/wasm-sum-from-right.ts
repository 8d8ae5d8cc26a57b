import type { RotatedSum } from './kernels.js';
import type { SmallMatrix } from './small-matrix.js';
import { upTo } from './wasm-arena.js';
import { PIECE_BYTES, putPanels, type Wasm } from './wasm-pieces.js';
import { addPlain } from './wasm-rotated-sum.js';

/** Columns that a step of the kernel takes: r is a multiple of it. */
export const RIGHT_COLUMNS = 8;
/** Rows that a step takes. */
const ROWS = 4;

/** Σ weight · X R in the module's memory, X of n × r: rows lie as they come, nothing between them. */
export function wasmSumFromRight(wasm: Wasm, n: number, r: number): RotatedSum {
  const { arena } = wasm;
  const kept = arena.keep(8 * upTo(n, ROWS) * r);
  arena.f64.fill(0, kept.at / 8, kept.end / 8);
  return {
    add(weight, rotation, x) {
      if (rotation) addFromRight(wasm, kept.at, { weight, rotation, x, n, r });
      else addPlain(wasm, { at: kept.at, apart: n * r, weight, r: 1, x, n: n * r });
    },
    rounded: () => new Float32Array(arena.f64.subarray(kept.at / 8, kept.at / 8 + n * r)),
    end() {
      arena.release(kept);
    },
  };
}

interface Turned {
  readonly weight: number;
  readonly rotation: SmallMatrix;
  readonly x: Float32Array;
  readonly n: number;
  readonly r: number;
}

function addFromRight({ exports, arena }: Wasm, at: number, { weight, rotation, x, n, r }: Turned): void {
  const piece = Math.max(ROWS, Math.floor(PIECE_BYTES / (12 * r) / ROWS) * ROWS);
  const [cAt, xAt] = arena.reserve(4 * r * r, 4 * r * Math.min(piece, upTo(n, ROWS)));
  const { f32 } = arena;
  putPanels(f32, cAt / 4, 1, rotation, r, r, RIGHT_COLUMNS);
  for (let from = 0; from < n; from += piece) {
    const rows = Math.min(piece, n - from);
    const filled = upTo(rows, ROWS);
    f32.set(x.subarray(from * r, (from + rows) * r), xAt / 4);
    f32.fill(0, xAt / 4 + rows * r, xAt / 4 + filled * r);
    exports.addFromRight(at + 8 * from * r, weight, xAt, filled, r, cAt, r);
  }
}
