import { squareSum } from '../tensor/bytes.js';
import { newtonStep } from './newton-step.js';
import type { SmallMatrix } from './small-matrix.js';

/**
 * The work along the long dimension n, and what is worth its own code in r × r. Factors lie as rows: A (r × n) as it is, B (n × r) transposed, so that one set of
 * kernels serves both, and a rotation R takes either to Rᵀ X; but for sumFromRight, which takes B as it is sent.
 */
export interface Kernels {
  /** X Yᵀ for X (m × n) and Y (p × n): m × p, products and sums in float64. */
  readonly gram: (x: Float32Array, m: number, y: Float32Array, p: number, n: number) => SmallMatrix;
  /** target (p × n) += weight · Cᵀ X for C (m × p) and X (m × n). */
  readonly addProduct: (
    target: Float64Array,
    weight: number,
    c: SmallMatrix,
    p: number,
    x: Float32Array,
    m: number,
    n: number,
  ) => void;
  /** Σ weight · Rᵀ X, beginning at 0, for X of r × n. */
  readonly rotatedSum: (r: number, n: number) => RotatedSum;
  /** Σ weight · X R, beginning at 0, for X of n × r: the same numbers as those of rotatedSum for Xᵀ, transposed. */
  readonly sumFromRight: (n: number, r: number) => RotatedSum;
  /** Σ x² in float64: not finite where an element is not. */
  readonly squares: (x: Float32Array) => number;
  /** target += weight · x. */
  readonly add: (target: Float64Array, weight: number, x: ArrayLike<number>) => void;
  /** Xᵀ of X (rows × columns), into `result` where there is one to use again. */
  readonly transpose: (x: Float32Array, rows: number, columns: number, result?: Float32Array) => Float32Array;
  /** See newton-step.ts. */
  readonly newtonStep: typeof newtonStep;
}

/** Transposed in square pieces of so many rows, so that both sides stay in the cache. */
const TILE = 32;

/**
 * Σ weight · Rᵀ X over silos, or of X R, kept where the kernels work: the sum in float64, the product itself in float32 where that is
 * faster. For means, which are rounded to float32 anyway; not for differences in which something cancels.
 */
export interface RotatedSum {
  /** += weight times the product, R (r × r) orthogonal or, where undefined, I. */
  add(weight: number, rotation: SmallMatrix | undefined, x: Float32Array): void;
  /** In float32. */
  rounded(): Float32Array;
  /** Gives its memory back: it is not used any more. */
  end(): void;
}

/** Plain JavaScript; float64 throughout, sums in a fixed order. */
export const jsKernels: Kernels = {
  gram(x, m, y, p, n) {
    const result = new Float64Array(m * p);
    // Two rows of X against four of Y at a time; past the last row the last one is taken again and its result dropped.
    for (let i = 0; i < m; i += 2)
      for (let j = 0; j < p; j += 4) {
        const block = gramBlock(x, i * n, Math.min(i + 1, m - 1) * n, y, rowsFrom(j, p, n), n);
        for (let row = i; row < Math.min(i + 2, m); row++)
          for (let column = j; column < Math.min(j + 4, p); column++)
            result[row * p + column] = block[(row - i) * 4 + column - j]!;
      }
    return result;
  },

  addProduct(target, weight, c, p, x, m, n) {
    // Four rows of X into two of the target at a time; a row past the last gets coefficient 0.
    const coefficient = (i: number, row: number): number => (i < m && row < p ? weight * c[i * p + row]! : 0);
    for (let row = 0; row < p; row += 2) {
      const t0 = row * n;
      const t1 = Math.min(row + 1, p - 1) * n;
      for (let i = 0; i < m; i += 4) {
        const upper = [0, 1, 2, 3].map((k) => coefficient(i + k, row)) as Four;
        const lower = [0, 1, 2, 3].map((k) => coefficient(i + k, row + 1)) as Four;
        addRows(target, t0, t1, upper, lower, x, rowsFrom(i, m, n), n);
      }
    }
  },

  rotatedSum(r, n) {
    const sum = new Float64Array(r * n);
    return {
      add(weight, rotation, x) {
        if (rotation) jsKernels.addProduct(sum, weight, rotation, r, x, r, n);
        else jsKernels.add(sum, weight, x);
      },
      rounded: () => new Float32Array(sum),
      end: () => undefined,
    };
  },

  sumFromRight: (n, r) => sumOfTransposed(jsKernels, n, r),

  squares: (x) => squareSum(new Uint8Array(x.buffer, x.byteOffset, x.byteLength), 'f32'),

  add(target, weight, x) {
    // Four at a time: V8 checks bounds and counts once for them.
    const whole = x.length - (x.length % 4);
    for (let i = 0; i < whole; i += 4) {
      target[i]! += weight * x[i]!;
      target[i + 1]! += weight * x[i + 1]!;
      target[i + 2]! += weight * x[i + 2]!;
      target[i + 3]! += weight * x[i + 3]!;
    }
    for (let i = whole; i < x.length; i++) target[i]! += weight * x[i]!;
  },

  transpose(x, rows, columns, result = new Float32Array(x.length)) {
    for (let top = 0; top < rows; top += TILE)
      for (let left = 0; left < columns; left += TILE) {
        const bottom = Math.min(top + TILE, rows);
        const right = Math.min(left + TILE, columns);
        for (let column = left; column < right; column++)
          for (let row = top; row < bottom; row++) result[column * rows + row] = x[row * columns + column]!;
      }
    return result;
  },

  newtonStep,
};

/** sumFromRight by rows: every X is transposed. */
export function sumOfTransposed(kernels: Kernels, n: number, r: number): RotatedSum {
  const sum = kernels.rotatedSum(r, n);
  const room = new Float32Array(n * r);
  return {
    add(weight, rotation, x) {
      sum.add(weight, rotation, kernels.transpose(x, n, r, room));
    },
    rounded: () => kernels.transpose(sum.rounded(), r, n),
    end() {
      sum.end();
    },
  };
}

type Four = [number, number, number, number];

/** Where four rows of length n begin, from row j on, the last of `rows` repeated. */
function rowsFrom(j: number, rows: number, n: number): Four {
  const last = rows - 1;
  return [j * n, Math.min(j + 1, last) * n, Math.min(j + 2, last) * n, Math.min(j + 3, last) * n];
}

const block = new Float64Array(8);

function gramBlock(
  x: Float32Array,
  x0: number,
  x1: number,
  y: Float32Array,
  [y0, y1, y2, y3]: Four,
  n: number,
): Float64Array {
  let [s00, s01, s02, s03, s10, s11, s12, s13] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let l = 0; l < n; l++) {
    const a0 = x[x0 + l]!;
    const a1 = x[x1 + l]!;
    const b0 = y[y0 + l]!;
    const b1 = y[y1 + l]!;
    const b2 = y[y2 + l]!;
    const b3 = y[y3 + l]!;
    s00 += a0 * b0;
    s01 += a0 * b1;
    s02 += a0 * b2;
    s03 += a0 * b3;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s12 += a1 * b2;
    s13 += a1 * b3;
  }
  block[0] = s00;
  block[1] = s01;
  block[2] = s02;
  block[3] = s03;
  block[4] = s10;
  block[5] = s11;
  block[6] = s12;
  block[7] = s13;
  return block;
}

/** target[t0 …] += u · (four rows of X), then target[t1 …] += v · (the same rows); t1 may be t0 with v = 0. */
function addRows(
  target: Float64Array,
  t0: number,
  t1: number,
  [u0, u1, u2, u3]: Four,
  [v0, v1, v2, v3]: Four,
  x: Float32Array,
  [x0, x1, x2, x3]: Four,
  n: number,
): void {
  for (let l = 0; l < n; l++) {
    const a = x[x0 + l]!;
    const b = x[x1 + l]!;
    const c = x[x2 + l]!;
    const d = x[x3 + l]!;
    target[t0 + l]! += u0 * a + u1 * b + u2 * c + u3 * d;
    target[t1 + l]! += v0 * a + v1 * b + v2 * c + v3 * d;
  }
}
