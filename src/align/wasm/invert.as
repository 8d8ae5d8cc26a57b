// src/align/invert.ts in AssemblyScript; for newton-step.as.

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

/** Row at `at` −= factor × row at `own`. */
@inline
function eliminate(at: usize, factor: f64, own: usize, row: usize): void {
  const by = f64x2.splat(factor);
  for (let l: usize = 0; l < row; l += 16)
    v128.store(at + l, f64x2.sub(v128.load(at + l), f64x2.mul(by, v128.load(own + l))));
}

@inline
function divide(at: usize, value: f64, row: usize): void {
  const by = f64x2.splat(value);
  for (let l: usize = 0; l < row; l += 16) v128.store(at + l, f64x2.div(v128.load(at + l), by));
}

/** (x − f × a) − g × b */
@inline
function lessTwo(x: v128, f: v128, a: v128, g: v128, b: v128): v128 {
  return f64x2.sub(f64x2.sub(x, f64x2.mul(f, a)), f64x2.mul(g, b));
}

/**
 * Two steps at once for the rows at `at` and `at + row`: −= their elements of column k times the row at `own`, and then −= what is in
 * column k + 1 times the one behind it. `column`: k in bytes.
 */
@inline
function eliminateTwo(at: usize, own: usize, column: usize, row: usize): void {
  const next = own + row;
  const under = at + row;
  const across = load<f64>(own + column, 8);
  const f = load<f64>(at + column);
  const g = load<f64>(under + column);
  const fAcross = f * across;
  const gAcross = g * across;
  const f0 = f64x2.splat(f);
  const g0 = f64x2.splat(g);
  const f1 = f64x2.splat(load<f64>(at + column, 8) - fAcross);
  const g1 = f64x2.splat(load<f64>(under + column, 8) - gAcross);
  store<f64>(at + column, 0);
  store<f64>(under + column, 0);
  // What the first step takes off again, so that the second begins at 0.
  store<f64>(at + column, fAcross, 8);
  store<f64>(under + column, gAcross, 8);
  for (let l: usize = 0; l < row; l += 32) {
    const a = v128.load(own + l);
    const b = v128.load(next + l);
    v128.store(at + l, lessTwo(v128.load(at + l), f0, a, f1, b));
    v128.store(under + l, lessTwo(v128.load(under + l), g0, a, g1, b));
    const c = v128.load(own + l, 16);
    const d = v128.load(next + l, 16);
    v128.store(at + l, lessTwo(v128.load(at + l, 16), f0, c, f1, d), 16);
    v128.store(under + l, lessTwo(v128.load(under + l, 16), g0, c, g1, d), 16);
  }
}

/**
 * X ← X⁻¹ (r × stride, float64, r even, stride a multiple of 4 and zeros behind the r-th column), in two steps of invert.ts at a time and
 * with its result, to the bit. `pivots` is room for r integers. The sign of X's determinant; 0 where it has no inverse.
 */
export function invert(x: usize, r: i32, stride: i32, pivots: usize): i32 {
  const row = <usize>stride << 3;
  const end = x + <usize>r * row;
  let sign = 1;
  for (let k = 0; k < r; k += 2) {
    const column = <usize>k << 3;
    const own = x + <usize>k * row;
    const next = own + row;
    let pivot = own;
    for (let at = next; at < end; at += row)
      if (abs(load<f64>(at + column)) > abs(load<f64>(pivot + column))) pivot = at;
    store<usize>(pivots + (<usize>k << 2), (pivot - x) / row);
    if (pivot != own) swap(own, pivot, 8, r);
    let value = load<f64>(own + column);
    if (value == 0) return 0;
    if (value < 0 != (pivot != own)) sign = -sign;
    store<f64>(own + column, 1);
    divide(own, value, row);

    // The next pivot is looked for in what the first step would leave of its column.
    const across = load<f64>(own + column, 8);
    pivot = next;
    let most: f64 = -1;
    for (let at = next; at < end; at += row) {
      const left = abs(load<f64>(at + column, 8) - load<f64>(at + column) * across);
      if (left > most) {
        most = left;
        pivot = at;
      }
    }
    store<usize>(pivots + (<usize>k << 2), (pivot - x) / row, 4);
    if (pivot != next) swap(next, pivot, 8, r);
    const factor = load<f64>(next + column);
    store<f64>(next + column, 0);
    eliminate(next, factor, own, row);
    value = load<f64>(next + column, 8);
    if (value == 0) return 0;
    if (value < 0 != (pivot != next)) sign = -sign;
    store<f64>(next + column, 1, 8);
    divide(next, value, row);

    for (let at = x; at < end; at += row << 1) if (at != own) eliminateTwo(at, own, column, row);
    store<f64>(own + column, 0, 8);
    eliminate(own, across, next, row);
  }
  for (let k = r - 1; k >= 0; k--) {
    const other = load<usize>(pivots + (<usize>k << 2));
    if (other != <usize>k) swap(x + (<usize>k << 3), x + (other << 3), row, r);
  }
  return sign;
}
