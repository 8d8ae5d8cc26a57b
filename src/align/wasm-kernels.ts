import { jsKernels, sumOfTransposed, type Kernels } from './kernels.js';
import { newtonStep, type NewtonStep } from './newton-step.js';
import type { SmallMatrix } from './small-matrix.js';
import { Arena, upTo } from './wasm-arena.js';
import { APART, pieceColumns, putPanels, type Exports, type Wasm } from './wasm-pieces.js';
import { wasmRotatedSum } from './wasm-rotated-sum.js';
import { RIGHT_COLUMNS, wasmSumFromRight } from './wasm-sum-from-right.js';
import { KERNELS_WASM } from './wasm/kernels-binary.js';

/** As much of the WebAssembly JavaScript interface as is used here; neither ES2023's nor Node's types have it. */
interface WasmEngine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
}

/** So many columns of float64 panels at a time stay in the innermost cache. */
const PANEL_COLUMNS = 256;

/** Below so many rows plain JavaScript inverts as fast. */
const FEW_ROWS = 8;

/** Below so many elements plain JavaScript adds up squares as fast; as many at a time stay in the innermost cache. */
const FEW_ELEMENTS = 4096;

/** Below so many products plain JavaScript is faster than the way into the module's memory. */
const FEW_PRODUCTS = 8192;

/**
 * The kernels in WebAssembly SIMD (wasm/*.as). Sums are in another order than in plain JavaScript, but for a given shape always in
 * the same. Throws where the engine has no WebAssembly SIMD.
 */
export function wasmKernels(): Kernels {
  const { Module, Instance } = (globalThis as unknown as { WebAssembly: WasmEngine }).WebAssembly;
  const exports = new Instance(new Module(Buffer.from(KERNELS_WASM, 'base64'))).exports as Exports;
  const wasm = { exports, arena: new Arena(exports.memory, 1024) };
  const kernels: Kernels = {
    squares: (x) => (x.length < FEW_ELEMENTS ? jsKernels.squares(x) : wasmSquares(wasm, x)),
    add: jsKernels.add,
    gram(x, m, y, p, n) {
      return (m * p * n < FEW_PRODUCTS ? jsKernels.gram : wasmGram.bind(null, wasm))(x, m, y, p, n);
    },
    addProduct(target, weight, c, p, x, m, n) {
      if (m * p * n < FEW_PRODUCTS) jsKernels.addProduct(target, weight, c, p, x, m, n);
      else wasmAddProduct(wasm, target, weight, c, p, x, m, n);
    },
    rotatedSum: (r, n) =>
      r * r * n < FEW_PRODUCTS ? jsKernels.rotatedSum(r, n) : wasmRotatedSum(wasm, r, n),
    sumFromRight: (n, r) =>
      r % RIGHT_COLUMNS !== 0 || r * r * n < FEW_PRODUCTS
        ? sumOfTransposed(kernels, n, r)
        : wasmSumFromRight(wasm, n, r),
    transpose(x, rows, columns, result = new Float32Array(x.length)) {
      const whole = rows % 4 === 0 && columns % 4 === 0 && x.length >= FEW_PRODUCTS;
      return (whole ? wasmTranspose.bind(null, wasm) : jsKernels.transpose)(x, rows, columns, result);
    },
    newtonStep: (next, x, r, scaled) =>
      r < FEW_ROWS ? newtonStep(next, x, r, scaled) : wasmNewtonStep(wasm, next, x, r, scaled),
  };
  return kernels;
}

function wasmGram(
  { exports, arena }: Wasm,
  x: Float32Array,
  m: number,
  y: Float32Array,
  p: number,
  n: number,
): SmallMatrix {
  const [rows, columns] = [upTo(m, 4), upTo(p, 4)];
  const piece = pieceColumns(n, 4 * (rows + columns));
  const [resultAt, xAt, yAt, panelsAt] = arena.reserve(
    8 * rows * columns,
    4 * rows * piece,
    4 * columns * piece,
    8 * (rows + 4) * PANEL_COLUMNS,
  );
  arena.f64.fill(0, resultAt / 8, resultAt / 8 + rows * columns);
  for (let from = 0; from < n; from += piece) {
    const width = Math.min(piece, n - from);
    const stride = upTo(width, 4);
    arena.put(xAt, x, m, n, from, width, stride, stride);
    const other = y === x && p === m ? xAt : yAt;
    if (other === yAt) arena.put(yAt, y, p, n, from, width, stride, stride);
    for (let at = 0; at < stride; at += PANEL_COLUMNS) {
      const count = Math.min(PANEL_COLUMNS, stride - at);
      exports.gram(xAt + 4 * at, rows, other + 4 * at, columns, stride, count, resultAt, panelsAt);
    }
  }
  const result = new Float64Array(m * p);
  for (let row = 0; row < m; row++) {
    const at = resultAt / 8 + row * columns;
    result.set(arena.f64.subarray(at, at + p), row * p);
  }
  return result;
}

/** Columns `from` to `from + width` of so many rows of a float64 target, `stride` apart in the module's memory at `at`. */
interface TargetPiece {
  readonly target: Float64Array;
  readonly at: number;
  readonly rows: number;
  readonly n: number;
  readonly from: number;
  readonly width: number;
  readonly stride: number;
}

function putTarget(arena: Arena, { target, at, rows, n, from, width, stride }: TargetPiece): void {
  for (let j = 0; j < rows; j++)
    arena.f64.set(target.subarray(j * n + from, j * n + from + width), at / 8 + j * stride);
}

function takeTarget(arena: Arena, { target, at, rows, n, from, width, stride }: TargetPiece): void {
  for (let j = 0; j < rows; j++) {
    const begin = at / 8 + j * stride;
    target.set(arena.f64.subarray(begin, begin + width), j * n + from);
  }
}

function wasmAddProduct(
  { exports, arena }: Wasm,
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
  const most = piece + APART;
  const [cAt, sliceAt, at, xAt] = arena.reserve(8 * m * rows, 32 * m, 8 * rows * most, 4 * m * most);
  putPanels(arena.f64, cAt / 8, weight, c, m, p);
  for (let from = 0; from < n; from += piece) {
    const width = Math.min(piece, n - from);
    const filled = upTo(width, 4);
    const stride = filled + APART;
    const part = { target, at, rows: p, n, from, width, stride };
    arena.put(xAt, x, m, n, from, width, stride, filled);
    putTarget(arena, part);
    exports.addProduct(at, cAt, rows, xAt, m, stride, filled, sliceAt);
    takeTarget(arena, part);
  }
}

function wasmSquares({ exports, arena }: Wasm, x: Float32Array): number {
  const [at] = arena.reserve(4 * FEW_ELEMENTS);
  const { f32 } = arena;
  let sum = 0;
  for (let from = 0; from < x.length; from += FEW_ELEMENTS) {
    const count = Math.min(FEW_ELEMENTS, x.length - from);
    const filled = upTo(count, 16);
    f32.set(x.subarray(from, from + count), at / 4);
    f32.fill(0, at / 4 + count, at / 4 + filled);
    sum += exports.squares(at, filled);
  }
  return sum;
}

function wasmTranspose(
  { exports, arena }: Wasm,
  x: Float32Array,
  rows: number,
  columns: number,
  result: Float32Array,
): Float32Array {
  const [xAt, at] = arena.reserve(4 * x.length, 4 * x.length);
  arena.f32.set(x, xAt / 4);
  exports.transpose(at, xAt, rows, columns);
  result.set(arena.f32.subarray(at / 4, at / 4 + x.length));
  return result;
}

function wasmNewtonStep(
  { exports, arena }: Wasm,
  next: SmallMatrix,
  x: SmallMatrix,
  r: number,
  scaled: boolean,
): NewtonStep {
  const [even, stride] = [upTo(r, 2), upTo(r, 4)];
  const room = 8 * even * stride;
  const [nextAt, xAt, inverseAt, pivotsAt, foundAt] = arena.reserve(room, room, room, 4 * even, 24);
  const { f64 } = arena;
  const rowOf = (at: number, i: number): number => at / 8 + i * stride;
  for (let i = 0; i < r; i++) {
    f64.set(x.subarray(i * r, (i + 1) * r), rowOf(xAt, i));
    f64.fill(0, rowOf(xAt, i) + r, rowOf(xAt, i + 1));
  }
  const sign = exports.newtonStep(nextAt, xAt, inverseAt, r, stride, Number(scaled), pivotsAt, foundAt);
  for (let i = 0; i < r; i++) next.set(f64.subarray(rowOf(nextAt, i), rowOf(nextAt, i) + r), i * r);
  const found = (index: number): number => Math.sqrt(f64[foundAt / 8 + index]!);
  return {
    sign: Math.sign(sign) as NewtonStep['sign'],
    size: found(0),
    inverseSize: found(1),
    change: found(2),
  };
}
