import type { SmallMatrix } from './small-matrix.js';

/**
 * X ← X⁻¹ (r × r) in place, by Gauss and Jordan with the largest pivot of a column. The sign of X's determinant; 0, and X is of no use,
 * where a pivot is 0.
 */
export function invert(x: SmallMatrix, r: number): 1 | 0 | -1 {
  const pivots = new Int32Array(r);
  let sign: 1 | -1 = 1;
  for (let k = 0; k < r; k++) {
    let pivot = k;
    for (let i = k + 1; i < r; i++) if (Math.abs(x[i * r + k]!) > Math.abs(x[pivot * r + k]!)) pivot = i;
    pivots[k] = pivot;
    if (pivot !== k) swap(x, k * r, pivot * r, 1, r);
    const own = k * r;
    const value = x[own + k]!;
    if (value === 0) return 0;
    if (value < 0 !== (pivot !== k)) sign = sign === 1 ? -1 : 1;
    x[own + k] = 1;
    for (let j = own; j < own + r; j++) x[j]! /= value;
    for (let i = 0; i < r; i++) if (i !== k) eliminate(x, i * r, own, k, r);
  }
  for (let k = r - 1; k >= 0; k--) if (pivots[k] !== k) swap(x, k, pivots[k]!, r, r);
  return sign;
}

/** The row at `row` minus as much of the one at `own` as makes its k-th element that of the inverse. */
function eliminate(x: SmallMatrix, row: number, own: number, k: number, r: number): void {
  const factor = x[row + k]!;
  x[row + k] = 0;
  for (let j = 0; j < r; j++) x[row + j]! -= factor * x[own + j]!;
}

/** `count` elements from `a` and from `b` on, `step` apart. */
function swap(x: SmallMatrix, a: number, b: number, step: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const value = x[a + i * step]!;
    x[a + i * step] = x[b + i * step]!;
    x[b + i * step] = value;
  }
}
