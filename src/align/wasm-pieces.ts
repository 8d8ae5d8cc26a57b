import type { SmallMatrix } from './small-matrix.js';
import { upTo, type Arena, type WasmMemory } from './wasm-arena.js';

/** What src/align/wasm/*.as export; every argument is a number, in the order that is written there. */
export interface Exports {
  readonly memory: WasmMemory;
  readonly gram: (...args: readonly number[]) => void;
  readonly addProduct: (...args: readonly number[]) => void;
  readonly squares: (...args: readonly number[]) => number;
  readonly add: (...args: readonly number[]) => void;
  readonly addRotated: (...args: readonly number[]) => void;
  readonly addFromRight: (...args: readonly number[]) => void;
  readonly transpose: (...args: readonly number[]) => void;
  readonly newtonStep: (...args: readonly number[]) => number;
}

/** The module and its memory. */
export interface Wasm {
  readonly exports: Exports;
  readonly arena: Arena;
}

/** Columns are taken in pieces that fit into a cache of so many bytes, of at least so many columns. */
export const PIECE_BYTES = 512 * 1024;
const LEAST_COLUMNS = 64;

/** Rows a multiple of 4 KiB apart would share the few places that a cache has for them. */
export const APART = 16;

/** So many columns a piece, a multiple of 8, where a column takes so many bytes. */
export const pieceColumns = (n: number, bytesAColumn: number): number =>
  Math.min(upTo(n, 8), Math.max(LEAST_COLUMNS, Math.floor(PIECE_BYTES / bytesAColumn / 8) * 8));

/** C (m × p), each element times `scale`, as panels of so many columns each; zeros behind the last. */
export function putPanels(
  to: Float32Array | Float64Array,
  at: number,
  scale: number,
  c: SmallMatrix,
  m: number,
  p: number,
  columns = 4,
): void {
  for (let j = 0; j < upTo(p, columns); j++) {
    const panel = at + (j - (j % columns)) * m + (j % columns);
    for (let i = 0; i < m; i++) to[panel + columns * i] = j < p ? scale * c[i * p + j]! : 0;
  }
}
