import { jsKernels, type Kernels } from './kernels.js';
import type { SmallMatrix } from './small-matrix.js';
import { KERNELS_WASM } from './wasm/kernels-binary.js';

/** As much of the WebAssembly JavaScript interface as is used here; neither ES2023's nor Node's types have it. */
interface WasmEngine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

interface WasmMemory {
  readonly buffer: ArrayBuffer;
  grow(pages: number): number;
}

/** What src/align/wasm/kernels.as exports. */
interface Exports {
  readonly memory: WasmMemory;
  readonly gram: (
    x: number,
    m: number,
    y: number,
    p: number,
    stride: number,
    result: number,
    panels: number,
  ) => void;
  readonly addProduct: (target: number, c: number, p: number, x: number, m: number, stride: number) => void;
}

/** Columns are taken in pieces that fit into a cache of so many bytes, of at least so many columns. */
const PIECE_BYTES = 256 * 1024;
const LEAST_COLUMNS = 64;

/** Below so many products plain JavaScript is faster than the way into the module's memory. */
const FEW_PRODUCTS = 8192;

const upTo = (count: number, multiple: number): number => Math.ceil(count / multiple) * multiple;

/** So many columns a piece, a multiple of 4, where a column takes so many bytes. */
const pieceColumns = (n: number, bytesAColumn: number): number =>
  Math.min(upTo(n, 4), Math.max(LEAST_COLUMNS, Math.floor(PIECE_BYTES / bytesAColumn / 4) * 4));

/** The module's memory, grown as it is needed; one for the thread, as nothing is kept in it between calls. */
class Arena {
  #f32: Float32Array = new Float32Array(0);
  #f64: Float64Array = new Float64Array(0);

  constructor(
    readonly memory: WasmMemory,
    readonly base: number,
  ) {}

  /** Makes room for so many bytes from `base`. */
  reserve(bytes: number): void {
    const missing = this.base + bytes - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65_536));
    if (this.#f32.buffer === this.memory.buffer) return;
    this.#f32 = new Float32Array(this.memory.buffer);
    this.#f64 = new Float64Array(this.memory.buffer);
  }

  get f64(): Float64Array {
    return this.#f64;
  }

  /** Columns `from` to `from + width` of so many rows of length n, `stride` apart, zeros behind them. */
  put(
    at: number,
    x: Float32Array,
    rows: number,
    n: number,
    from: number,
    width: number,
    stride: number,
  ): void {
    for (let row = 0; row < rows; row++) {
      const to = at / 4 + row * stride;
      this.#f32.set(x.subarray(row * n + from, row * n + from + width), to);
      if (width < stride) this.#f32.fill(0, to + width, to + stride);
    }
  }
}

/**
 * The kernels in WebAssembly SIMD (kernels.as): float64 sums as in plain JavaScript, in another order. Throws where the engine has no
 * WebAssembly SIMD.
 */
export function wasmKernels(): Kernels {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WasmEngine }).WebAssembly;
  const exports = new Instance(new Module(Buffer.from(KERNELS_WASM, 'base64'))).exports as Exports;
  const arena = new Arena(exports.memory, 1024);
  return {
    add: jsKernels.add,
    gram(x, m, y, p, n) {
      if (m * p * n < FEW_PRODUCTS) return jsKernels.gram(x, m, y, p, n);
      return wasmGram(exports, arena, x, m, y, p, n);
    },
    addProduct(target, weight, c, p, x, m, n) {
      if (m * p * n < FEW_PRODUCTS) jsKernels.addProduct(target, weight, c, p, x, m, n);
      else wasmAddProduct(exports, arena, target, weight, c, p, x, m, n);
    },
  };
}

function wasmGram(
  exports: Exports,
  arena: Arena,
  x: Float32Array,
  m: number,
  y: Float32Array,
  p: number,
  n: number,
): SmallMatrix {
  const [rows, columns] = [upTo(m, 4), upTo(p, 4)];
  const piece = pieceColumns(n, 12 * rows + 4 * columns + 32);
  const resultAt = arena.base;
  const xAt = resultAt + 8 * rows * columns;
  const yAt = xAt + 4 * rows * piece;
  const panelsAt = yAt + 4 * columns * piece;
  arena.reserve(panelsAt - arena.base + 8 * (rows + 4) * piece);
  arena.f64.fill(0, resultAt / 8, xAt / 8);
  for (let from = 0; from < n; from += piece) {
    const width = Math.min(piece, n - from);
    const stride = upTo(width, 4);
    arena.put(xAt, x, m, n, from, width, stride);
    arena.put(yAt, y, p, n, from, width, stride);
    exports.gram(xAt, rows, yAt, columns, stride, resultAt, panelsAt);
  }
  const result = new Float64Array(m * p);
  for (let row = 0; row < m; row++) {
    const at = resultAt / 8 + row * columns;
    result.set(arena.f64.subarray(at, at + p), row * p);
  }
  return result;
}

function wasmAddProduct(
  exports: Exports,
  arena: Arena,
  target: Float64Array,
  weight: number,
  c: SmallMatrix,
  p: number,
  x: Float32Array,
  m: number,
  n: number,
): void {
  const rows = upTo(p, 4);
  const piece = pieceColumns(n, 8 * rows + 4 * m);
  const cAt = arena.base;
  const targetAt = cAt + 8 * m * rows;
  const xAt = targetAt + 8 * rows * piece;
  arena.reserve(8 * m * rows + (8 * rows + 4 * m) * piece);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < rows; j++) arena.f64[cAt / 8 + i * rows + j] = j < p ? weight * c[i * p + j]! : 0;
  for (let from = 0; from < n; from += piece) {
    const width = Math.min(piece, n - from);
    const stride = upTo(width, 4);
    arena.put(xAt, x, m, n, from, width, stride);
    for (let j = 0; j < p; j++)
      arena.f64.set(target.subarray(j * n + from, j * n + from + width), targetAt / 8 + j * stride);
    exports.addProduct(targetAt, cAt, rows, xAt, m, stride);
    for (let j = 0; j < p; j++) {
      const at = targetAt / 8 + j * stride;
      target.set(arena.f64.subarray(at, at + width), j * n + from);
    }
  }
}
