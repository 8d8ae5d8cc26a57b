// The kernels of src/align/kernels.ts in AssemblyScript: float32 in, products and sums in float64, two lanes at a time.
// `npm run kernels` compiles this into kernels-binary.ts. Pointers are byte offsets; rows begin `stride` elements apart, a
// multiple of 4, and are filled up with zeros to it. So are the counts of rows filled up (to 2 and 4) by rows of any content.

/** Two float32 as float64. */

@inline
function two(at: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(at));
}

@inline
function dot(sum: v128, x: v128, y: v128): v128 {
  return f64x2.add(sum, f64x2.mul(x, y));
}

@inline
function put(at: usize, sum: v128): void {
  f64.store(at, f64.load(at) + f64x2.extract_lane(sum, 0) + f64x2.extract_lane(sum, 1));
}

/** result (m × p, float64) += X Yᵀ for X (m × stride) and Y (p × stride), float32; m a multiple of 2, p of 4. */
export function gram(x: usize, m: i32, y: usize, p: i32, stride: i32, result: usize): void {
  const row = <usize>stride << 2;
  const out = <usize>p << 3;
  for (let i = 0; i < m; i += 2) {
    for (let j = 0; j < p; j += 4) {
      let x0 = x + <usize>i * row;
      let x1 = x0 + row;
      let y0 = y + <usize>j * row;
      let y1 = y0 + row;
      let y2 = y1 + row;
      let y3 = y2 + row;
      let s00 = f64x2.splat(0), s01 = f64x2.splat(0), s02 = f64x2.splat(0), s03 = f64x2.splat(0);
      let s10 = f64x2.splat(0), s11 = f64x2.splat(0), s12 = f64x2.splat(0), s13 = f64x2.splat(0);
      for (const end = x0 + row; x0 < end; x0 += 8) {
        const a0 = two(x0);
        const a1 = two(x1);
        let b = two(y0);
        s00 = dot(s00, a0, b);
        s10 = dot(s10, a1, b);
        b = two(y1);
        s01 = dot(s01, a0, b);
        s11 = dot(s11, a1, b);
        b = two(y2);
        s02 = dot(s02, a0, b);
        s12 = dot(s12, a1, b);
        b = two(y3);
        s03 = dot(s03, a0, b);
        s13 = dot(s13, a1, b);
        x1 += 8;
        y0 += 8;
        y1 += 8;
        y2 += 8;
        y3 += 8;
      }
      const at = result + <usize>i * out + (<usize>j << 3);
      put(at, s00);
      put(at + 8, s01);
      put(at + 16, s02);
      put(at + 24, s03);
      put(at + out, s10);
      put(at + out + 8, s11);
      put(at + out + 16, s12);
      put(at + out + 24, s13);
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
