// src/align/newton-step.ts in AssemblyScript; goes into kernels-binary.ts.
import { invert } from './invert';

@inline
function dot(sum: v128, x: v128, y: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, y));
}

/** Sum of the squares of r rows. */
@inline
function squares(x: usize, r: i32, row: usize): f64 {
  let s = f64x2.splat(0), t = f64x2.splat(0);
  for (const end = x + <usize>r * row; x < end; x += 32) {
    const a = v128.load(x);
    const b = v128.load(x, 16);
    s = dot(s, a, a);
    t = dot(t, b, b);
  }
  s = f64x2.add(s, t);
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/**
 * newton-step.ts: next (`even` × stride) of X (r × stride, float64, zeros behind the r-th column; stride a multiple of 4, `even` r or, where
 * that is odd, one more), by way of `inverse`, which needs the same room. `found` takes ‖X‖², ‖X⁻¹‖² and ‖next − X‖². The sign of X's
 * determinant; 0 where it has no inverse.
 */
export function newtonStep(
  next: usize,
  x: usize,
  inverse: usize,
  r: i32,
  stride: i32,
  scaled: i32,
  pivots: usize,
  found: usize,
): i32 {
  const row = <usize>stride << 3;
  const even = r + (r & 1);
  memory.copy(inverse, x, <usize>r * row);
  if (even != r) {
    // One more row and column with 1 where they meet: of no effect on the others.
    const last = inverse + <usize>r * row;
    memory.fill(last, 0, row);
    store<f64>(last + (<usize>r << 3), 1);
  }
  const sign = invert(inverse, even, stride, pivots);
  if (sign == 0) return 0;
  if (even != r) {
    store<f64>(inverse + <usize>r * row + (<usize>r << 3), 0);
    memory.fill(x + <usize>r * row, 0, row);
  }
  const size = squares(x, r, row);
  const inverseSize = squares(inverse, r, row);
  const gamma = scaled ? sqrt(sqrt(inverseSize) / sqrt(size)) : 1;
  const own = f64x2.splat(gamma / 2);
  const other = f64x2.splat(0.5 / gamma);
  let change = f64x2.splat(0);
  for (let i: usize = 0; i < <usize>even; i += 2) {
    let across = inverse + (i << 3);
    let at = i * row;
    for (const end = at + (<usize>even << 3); at < end; at += 16) {
      const a = v128.load(across);
      const b = v128.load(across + row);
      across += row << 1;
      const x0 = v128.load(x + at);
      const y0 = dot(f64x2.mul(own, x0), other, v128.shuffle<f64>(a, b, 0, 2));
      v128.store(next + at, y0);
      const d0 = f64x2.sub(y0, x0);
      const x1 = v128.load(x + at + row);
      const y1 = dot(f64x2.mul(own, x1), other, v128.shuffle<f64>(a, b, 1, 3));
      v128.store(next + at + row, y1);
      const d1 = f64x2.sub(y1, x1);
      change = dot(dot(change, d0, d0), d1, d1);
    }
  }
  store<f64>(found, size);
  store<f64>(found, inverseSize, 8);
  store<f64>(found, f64x2.extract_lane(change, 0) + f64x2.extract_lane(change, 1), 16);
  return sign;
}
