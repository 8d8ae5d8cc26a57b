/** Mean and spread of some numbers. */
export interface Statistic {
  readonly n: number;
  readonly mean: number;
  /** Of a sample (n − 1 in the denominator); 0 for one number. */
  readonly std: number;
}

/** Of the numbers that are there; undefined without any. */
export function statistic(values: readonly (number | null | undefined)[]): Statistic | undefined {
  const known = values.filter((value): value is number => typeof value === 'number' && !Number.isNaN(value));
  const n = known.length;
  if (n === 0) return undefined;
  const mean = known.reduce((sum, value) => sum + value, 0) / n;
  const squares = known.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { n, mean, std: n === 1 ? 0 : Math.sqrt(squares / (n - 1)) };
}
