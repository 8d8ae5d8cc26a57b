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
