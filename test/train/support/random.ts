/** A small seeded generator (mulberry32), so that a test's numbers are the same everywhere. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Numbers from a range, away from its ends' neighbours by nothing in particular. */
export function uniform(
  seed: number,
  count: number,
  [low, high]: readonly [number, number] = [-1, 1],
): Float64Array {
  const next = randomNumbers(seed);
  return Float64Array.from({ length: count }, () => low + (high - low) * next());
}

export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}
