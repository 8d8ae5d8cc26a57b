// src/align/invert.ts in AssemblyScript; goes into kernels-binary.ts with kernels.as.

/** `count` float64 from `a` and from `b` on, `step` bytes apart, change places. */
@inline
function swap(a: usize, b: usize, step: usize, count: i32): void {
  for (let i = 0; i < count; i++) {
    const value = load<f64>(a);
    store<f64>(a, load<f64>(b));
    store<f64>(b, value);
    a += step;
    b += step;
  }
}

/**
 * X ← X⁻¹ (r × stride, float64, zeros behind the r-th column, stride a multiple of 4), in the steps and with the result of invert.ts,
 * to the bit. `pivots` is room for r integers.
 */
export function invert(x: usize, r: i32, stride: i32, pivots: usize): i32 {
  const row = <usize>stride << 3;
  const end = x + <usize>r * row;
  let sign = 1;
  for (let k = 0; k < r; k++) {
    const column = <usize>k << 3;
    const own = x + <usize>k * row;
    let pivot = own;
    for (let at = own + row; at < end; at += row)
      if (abs(load<f64>(at + column)) > abs(load<f64>(pivot + column))) pivot = at;
    store<usize>(pivots + (<usize>k << 2), (pivot - x) / row);
    if (pivot != own) swap(own, pivot, 8, r);
    const value = load<f64>(own + column);
    if (value == 0) return 0;
    if (value < 0 != (pivot != own)) sign = -sign;
    store<f64>(own + column, 1);
    const divisor = f64x2.splat(value);
    for (let l: usize = 0; l < row; l += 16) v128.store(own + l, f64x2.div(v128.load(own + l), divisor));
    for (let at = x; at < end; at += row) {
      if (at == own) continue;
      const factor = v128.load64_splat(at + column);
      store<f64>(at + column, 0);
      for (let l: usize = 0; l < row; l += 32) {
        v128.store(at + l, f64x2.sub(v128.load(at + l), f64x2.mul(factor, v128.load(own + l))));
        v128.store(at + l, f64x2.sub(v128.load(at + l, 16), f64x2.mul(factor, v128.load(own + l, 16))), 16);
      }
    }
  }
  for (let k = r - 1; k >= 0; k--) {
    const other = load<usize>(pivots + (<usize>k << 2));
    if (other != <usize>k) swap(x + (<usize>k << 3), x + (other << 3), row, r);
  }
  return sign;
}
