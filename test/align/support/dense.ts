/** The oracle: full matrices in float64 by the textbook's three loops, for small sizes. Rows of numbers, nothing shared with src. */
export type Dense = number[][];

export const fromFlat = (data: ArrayLike<number>, rows: number, columns: number): Dense =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => data[i * columns + j]!));

export const times = (x: Dense, y: Dense): Dense =>
  x.map((row) => (y[0] ?? []).map((_, j) => row.reduce((sum, value, l) => sum + value * y[l]![j]!, 0)));

export const flip = (x: Dense): Dense => (x[0] ?? []).map((_, j) => x.map((row) => row[j]!));

/** Σ w_i X_i. */
export const blend = (weights: readonly number[], xs: readonly Dense[]): Dense =>
  xs[0]!.map((row, i) => row.map((_, j) => xs.reduce((sum, x, s) => sum + weights[s]! * x[i]![j]!, 0)));

export const minus = (x: Dense, y: Dense): Dense => blend([1, -1], [x, y]);

export const frobenius = (x: Dense): number => {
  const largest = Math.max(0, ...x.flat().map(Math.abs));
  return largest === 0
    ? 0
    : largest * Math.sqrt(x.flat().reduce((sum, value) => sum + (value / largest) ** 2, 0));
};

export const unit = (n: number): Dense =>
  Array.from({ length: n }, (_, i) => Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));

export const traceOf = (x: Dense): number => x.reduce((sum, row, i) => sum + row[i]!, 0);

/** Singular values in falling order, by one-sided Jacobi rotations (Hestenes 1958) of the rows. */
export function singularValues(x: Dense): number[] {
  const rows = (x.length <= (x[0]?.length ?? 0) ? x : flip(x)).map((row) => [...row]);
  const dot = (p: readonly number[], q: readonly number[]): number =>
    p.reduce((sum, value, i) => sum + value * q[i]!, 0);
  for (let sweep = 0, moved = true; moved && sweep < 60; sweep++) {
    moved = false;
    for (let i = 0; i < rows.length; i++)
      for (let j = i + 1; j < rows.length; j++) {
        const [p, q] = [rows[i]!, rows[j]!];
        const [pp, qq, pq] = [dot(p, p), dot(q, q), dot(p, q)];
        if (Math.abs(pq) <= 1e-15 * Math.sqrt(pp * qq)) continue;
        moved = true;
        const angle = Math.atan2(2 * pq, pp - qq) / 2;
        const [c, s] = [Math.cos(angle), Math.sin(angle)];
        rows[i] = p.map((value, l) => c * value + s * q[l]!);
        rows[j] = p.map((value, l) => c * q[l]! - s * value);
      }
  }
  return rows.map((row) => frobenius([row])).sort((p, q) => q - p);
}

/** ‖X − best rank-r approximation‖_F (Eckart & Young 1936). */
export const eckartYoung = (x: Dense, r: number): number => frobenius([[0, ...singularValues(x).slice(r)]]);
