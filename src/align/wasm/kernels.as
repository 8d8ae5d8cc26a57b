// The kernels of src/align/kernels.ts in AssemblyScript: float32 in, products and sums in float64, two lanes at a time.
// `npm run kernels` compiles this into kernels-binary.ts. Pointers are byte offsets; rows begin `stride` elements apart, a
// multiple of 4, and are filled up with zeros to it. Counts of rows are multiples of 4 too, the last ones of any content.

/** Two float32 as float64. */

@inline
function two(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

@inline
function dot(sum: v128, x: v128, y: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, y));
}

/** Four rows (float32, `row` bytes apart) as one panel: column after column, four float64 each. */
@inline
function pack(rows: usize, row: usize, panel: usize): void {
  const r1 = rows + row;
  const r2 = r1 + row;
  const r3 = r2 + row;
  for (let l: usize = 0; l < row; l += 8) {
    const a = two(rows + l);
    const b = two(r1 + l);
    const c = two(r2 + l);
    const d = two(r3 + l);
    v128.store(panel, v128.shuffle<f64>(a, b, 0, 2));
    v128.store(panel + 16, v128.shuffle<f64>(c, d, 0, 2));
    v128.store(panel + 32, v128.shuffle<f64>(a, b, 1, 3));
    v128.store(panel + 48, v128.shuffle<f64>(c, d, 1, 3));
    panel += 64;
  }
}

/**
 * result (m × p, float64) += X Yᵀ for X (m × stride) and Y (p × stride), float32; m and p multiples of 4. `panels` is room for
 * (m + 4) × stride float64.
 */
export function gram(x: usize, m: i32, y: usize, p: i32, stride: i32, result: usize, panels: usize): void {
  const row = <usize>stride << 2;
  const out = <usize>p << 3;
  const size = <usize>stride << 5; // of a panel of four rows
  for (let i = 0; i < m; i += 4) pack(x + <usize>i * row, row, panels + (<usize>i >> 2) * size);
  const yPanel = panels + (<usize>m >> 2) * size;
  for (let j = 0; j < p; j += 4) {
    pack(y + <usize>j * row, row, yPanel);
    for (let i = 0; i < m; i += 4) {
      let at = panels + (<usize>i >> 2) * size;
      let by = yPanel;
      let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
      let t0 = f64x2.splat(0), t1 = f64x2.splat(0), t2 = f64x2.splat(0), t3 = f64x2.splat(0);
      for (const end = at + size; at < end; at += 32) {
        const a = v128.load(by);
        const b = v128.load(by, 16);
        let w = v128.load64_splat(at);
        s0 = dot(s0, w, a);
        t0 = dot(t0, w, b);
        w = v128.load64_splat(at, 8);
        s1 = dot(s1, w, a);
        t1 = dot(t1, w, b);
        w = v128.load64_splat(at, 16);
        s2 = dot(s2, w, a);
        t2 = dot(t2, w, b);
        w = v128.load64_splat(at, 24);
        s3 = dot(s3, w, a);
        t3 = dot(t3, w, b);
        by += 32;
      }
      let to = result + <usize>i * out + (<usize>j << 3);
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
  }
}

@inline
function addTo(at: usize, sum: v128): void {
  v128.store(at, f64x2.add(v128.load(at), sum));
}

/** target (p × stride, float64) += Cᵀ X for C (m × p, float64) and X (m × stride, float32); p a multiple of 4. */
export function addProduct(target: usize, c: usize, p: i32, x: usize, m: i32, stride: i32): void {
  const row = <usize>stride << 2;
  const out = <usize>stride << 3;
  const next = <usize>p << 3;
  for (let j = 0; j < p; j += 4) {
    for (let l = 0; l < stride; l += 4) {
      let s0 = f64x2.splat(0), s1 = f64x2.splat(0), s2 = f64x2.splat(0), s3 = f64x2.splat(0);
      let t0 = f64x2.splat(0), t1 = f64x2.splat(0), t2 = f64x2.splat(0), t3 = f64x2.splat(0);
      let at = x + (<usize>l << 2);
      let by = c + (<usize>j << 3);
      for (let i = 0; i < m; i++) {
        const a = two(at);
        const b = two(at + 8);
        let w = v128.load64_splat(by);
        s0 = dot(s0, w, a);
        t0 = dot(t0, w, b);
        w = v128.load64_splat(by + 8);
        s1 = dot(s1, w, a);
        t1 = dot(t1, w, b);
        w = v128.load64_splat(by + 16);
        s2 = dot(s2, w, a);
        t2 = dot(t2, w, b);
        w = v128.load64_splat(by + 24);
        s3 = dot(s3, w, a);
        t3 = dot(t3, w, b);
        at += row;
        by += next;
      }
      let to = target + <usize>j * out + (<usize>l << 3);
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
  }
}
