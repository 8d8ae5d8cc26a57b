// The kernels of src/align/kernels.ts in AssemblyScript, with 128-bit SIMD (not relaxed SIMD, whose results depend on the machine).
// `npm run kernels` compiles this into kernels-binary.ts. Pointers are byte offsets. Rows of float32 begin `stride` elements apart, a
// multiple of 4, and are filled up with zeros to a multiple of as many columns as a step takes. Counts of rows are multiples of 4
// where it is said; the last ones may hold anything. "Panels" hold four rows or columns side by side, so that a step reads what it needs
// in one place.

@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f64>(x, x, 1, 0));
}

@inline
function dot(sum: v128, x: v128, y: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, y));
}

@inline
function addTo(at: usize, sum: v128): void {
  v128.store(at, f64x2.add(v128.load(at), sum));
}

/** 4 × 4 float64 at `to`, rows `out` bytes apart, += Σ over the steps of (four of `left`) × (four of `right`); both float64 panels. */
@inline
function addTile(left: usize, leftEnd: usize, right: usize, to: usize, out: usize): void {
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  let t0 = f64x2.splat(0), t1 = f64x2.splat(0), t2 = f64x2.splat(0), t3 = f64x2.splat(0);
  for (; left < leftEnd; left += 32) {
    const a = v128.load(right);
    const b = v128.load(right, 16);
    let w = v128.load64_splat(left);
    s0 = dot(s0, w, a);
    t0 = dot(t0, w, b);
    w = v128.load64_splat(left, 8);
    s1 = dot(s1, w, a);
    t1 = dot(t1, w, b);
    w = v128.load64_splat(left, 16);
    s2 = dot(s2, w, a);
    t2 = dot(t2, w, b);
    w = v128.load64_splat(left, 24);
    s3 = dot(s3, w, a);
    t3 = dot(t3, w, b);
    right += 32;
  }
  addTo(to, s0);
  addTo(to + 16, t0);
  to += out;
  addTo(to, s1);
  addTo(to + 16, t1);
  to += out;
  addTo(to, s2);
  addTo(to + 16, t2);
  to += out;
  addTo(to, s3);
  addTo(to + 16, t3);
}

/** Four rows (float32, `row` bytes apart, `width` bytes long) as one float64 panel. */
function packRows(rows: usize, row: usize, width: usize, panel: usize): void {
  const r1 = rows + row;
  const r2 = r1 + row;
  const r3 = r2 + row;
  for (let l: usize = 0; l < width; l += 16) {
    const a = v128.load(rows + l);
    const b = v128.load(r1 + l);
    const c = v128.load(r2 + l);
    const d = v128.load(r3 + l);
    let ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    let cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    v128.store(panel, low(ab));
    v128.store(panel, low(cd), 16);
    v128.store(panel, high(ab), 32);
    v128.store(panel, high(cd), 48);
    ab = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    cd = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store(panel, low(ab), 64);
    v128.store(panel, low(cd), 80);
    v128.store(panel, high(ab), 96);
    v128.store(panel, high(cd), 112);
    panel += 128;
  }
}

/**
 * result (m × p, float64) += X Yᵀ over `columns` columns of X (m × stride) and Y (p × stride), float32; m, p and columns multiples
 * of 4. `panels` is room for (m + 4) × columns float64.
 */
export function gram(
  x: usize,
  m: i32,
  y: usize,
  p: i32,
  stride: i32,
  columns: i32,
  result: usize,
  panels: usize,
): void {
  const row = <usize>stride << 2;
  const width = <usize>columns << 2;
  const out = <usize>p << 3;
  const size = <usize>columns << 5; // of a panel
  const yPanel = panels + (<usize>m >> 2) * size;
  for (let at = panels; at < yPanel; at += size) {
    packRows(x, row, width, at);
    x += row << 2;
  }
  for (let j: usize = 0; j < out; j += 32) {
    packRows(y, row, width, yPanel);
    y += row << 2;
    let to = result + j;
    for (let at = panels; at < yPanel; at += size) {
      addTile(at, at + size, yPanel, to, out);
      to += out << 2;
    }
  }
}

/**
 * target (p × stride, float64) += Cᵀ X over `columns` columns of X (m × stride, float32); C (m × p, float64) as panels of four columns
 * each, p and columns multiples of 4. `slice` is room for m × 4 float64.
 */
export function addProduct(
  target: usize,
  c: usize,
  p: i32,
  x: usize,
  m: i32,
  stride: i32,
  columns: i32,
  slice: usize,
): void {
  const row = <usize>stride << 2;
  const out = row << 1;
  const size = <usize>m << 5; // of a panel
  const cEnd = c + (<usize>p >> 2) * size;
  for (const end = target + (<usize>columns << 3); target < end; target += 32) {
    let from = x;
    for (let at = slice; at < slice + size; at += 32) {
      const four = v128.load(from);
      v128.store(at, low(four));
      v128.store(at, high(four), 16);
      from += row;
    }
    let to = target;
    for (let by = c; by < cEnd; by += size) {
      addTile(by, by + size, slice, to, out);
      to += out << 2;
    }
    x += 16;
  }
}

@inline
function addSquares(sum: v128, x: v128): v128 {
  const l = low(x);
  const h = high(x);
  return dot(dot(sum, l, l), h, h);
}

/** Σ x² in float64 over `count` float32 at `x`, count a multiple of 16. */
export function squares(x: usize, count: i32): f64 {
  // Four sums, because each addition has to wait for the one before.
  let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
  for (const end = x + (<usize>count << 2); x < end; x += 64) {
    s0 = addSquares(s0, v128.load(x));
    s1 = addSquares(s1, v128.load(x, 16));
    s2 = addSquares(s2, v128.load(x, 32));
    s3 = addSquares(s3, v128.load(x, 48));
  }
  s0 = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  return f64x2.extract_lane(s0, 0) + f64x2.extract_lane(s0, 1);
}

@inline
function dot4(sum: v128, x: v128, y: v128): v128 {
  return f32x4.add(sum, f32x4.mul(x, y));
}

/** Eight float64 at `at` += weight × (four of `a`, four of `b`). */
@inline
function addEight(at: usize, weight: v128, a: v128, b: v128): void {
  v128.store(at, dot(v128.load(at), weight, low(a)));
  v128.store(at, dot(v128.load(at, 16), weight, high(a)), 16);
  v128.store(at, dot(v128.load(at, 32), weight, low(b)), 32);
  v128.store(at, dot(v128.load(at, 48), weight, high(b)), 48);
}

/** `count` float64 at `target` += weight × so many float32 at `x`; count a multiple of 8. */
export function add(target: usize, weight: f64, x: usize, count: i32): void {
  const share = f64x2.splat(weight);
  for (const end = x + (<usize>count << 2); x < end; x += 32) {
    addEight(target, share, v128.load(x), v128.load(x, 16));
    target += 64;
  }
}

/**
 * target (p rows, float64, `apart` elements apart) += weight · Cᵀ X over `columns` columns of X (m × stride), with Cᵀ X in float32; C
 * (m × p, float32) as panels of four columns each, p a multiple of 4, columns of 8. `slice` is room for m × 8 float32.
 */
export function addRotated(
  target: usize,
  apart: i32,
  weight: f64,
  c: usize,
  p: i32,
  x: usize,
  m: i32,
  stride: i32,
  columns: i32,
  slice: usize,
): void {
  const row = <usize>stride << 2;
  const out = <usize>apart << 3;
  const sliceEnd = slice + (<usize>m << 5);
  const share = f64x2.splat(weight);
  for (const end = target + (<usize>columns << 3); target < end; target += 64) {
    let from = x;
    for (let at = slice; at < sliceEnd; at += 32) {
      v128.store(at, v128.load(from));
      v128.store(at, v128.load(from, 16), 16);
      from += row;
    }
    x += 32;
    let by = c;
    let to = target;
    for (let j = 0; j < p; j += 4) {
      let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
      let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
      for (let at = slice; at < sliceEnd; at += 32) {
        const a = v128.load(at);
        const b = v128.load(at, 16);
        let w = v128.load32_splat(by);
        s0 = dot4(s0, w, a);
        t0 = dot4(t0, w, b);
        w = v128.load32_splat(by, 4);
        s1 = dot4(s1, w, a);
        t1 = dot4(t1, w, b);
        w = v128.load32_splat(by, 8);
        s2 = dot4(s2, w, a);
        t2 = dot4(t2, w, b);
        w = v128.load32_splat(by, 12);
        s3 = dot4(s3, w, a);
        t3 = dot4(t3, w, b);
        by += 16;
      }
      addEight(to, share, s0, t0);
      to += out;
      addEight(to, share, s1, t1);
      to += out;
      addEight(to, share, s2, t2);
      to += out;
      addEight(to, share, s3, t3);
      to += out;
    }
  }
}

/**
 * target (rows × p, float64, nothing between the rows) += weight · X C for X (rows × m, float32, nothing between the rows either), with
 * X C in float32; C (m × p, float32) as panels of eight columns each, rows a multiple of 4, p of 8.
 */
export function addFromRight(target: usize, weight: f64, x: usize, rows: i32, m: i32, c: usize, p: i32): void {
  const row = <usize>m << 2;
  const out = <usize>p << 3;
  const size = <usize>m << 5; // of a panel
  const share = f64x2.splat(weight);
  for (const end = x + <usize>rows * row; x < end; x += row << 2) {
    let by = c;
    for (let j: usize = 0; j < out; j += 64) {
      let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
      let t0 = f32x4.splat(0), t1 = f32x4.splat(0), t2 = f32x4.splat(0), t3 = f32x4.splat(0);
      let from = x;
      for (const byEnd = by + size; by < byEnd; by += 32) {
        const a = v128.load(by);
        const b = v128.load(by, 16);
        let at = from;
        let w = v128.load32_splat(at);
        s0 = dot4(s0, w, a);
        t0 = dot4(t0, w, b);
        at += row;
        w = v128.load32_splat(at);
        s1 = dot4(s1, w, a);
        t1 = dot4(t1, w, b);
        at += row;
        w = v128.load32_splat(at);
        s2 = dot4(s2, w, a);
        t2 = dot4(t2, w, b);
        w = v128.load32_splat(at + row);
        s3 = dot4(s3, w, a);
        t3 = dot4(t3, w, b);
        from += 4;
      }
      let to = target + j;
      addEight(to, share, s0, t0);
      to += out;
      addEight(to, share, s1, t1);
      to += out;
      addEight(to, share, s2, t2);
      addEight(to + out, share, s3, t3);
    }
    target += out << 2;
  }
}

/** result (columns × rows) = Xᵀ of X (rows × columns), float32, both counts multiples of 4, nothing between the rows. */
export function transpose(result: usize, x: usize, rows: i32, columns: i32): void {
  const row = <usize>columns << 2;
  const next = <usize>rows << 2;
  for (let i: usize = 0; i < next; i += 16) {
    let to = result + i;
    for (let l: usize = 0; l < row; l += 16) {
      let at = x + l;
      const a = v128.load(at);
      at += row;
      const b = v128.load(at);
      at += row;
      const c = v128.load(at);
      at += row;
      const d = v128.load(at);
      let ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
      let cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
      v128.store(to, v128.shuffle<f64>(ab, cd, 0, 2));
      to += next;
      v128.store(to, v128.shuffle<f64>(ab, cd, 1, 3));
      to += next;
      ab = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
      cd = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
      v128.store(to, v128.shuffle<f64>(ab, cd, 0, 2));
      to += next;
      v128.store(to, v128.shuffle<f64>(ab, cd, 1, 3));
      to += next;
    }
    x += row << 2;
  }
}
