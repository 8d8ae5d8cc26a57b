/**
 * Krum's scores (Blanchard et al. 2017, arXiv 1703.02757): the sum of an update's squared distances to its n − f − 2 nearest
 * neighbours among n. `products` are ⟨Δ_i, Δ_j⟩, silos × silos; `scales` c_i shorten the updates first; one score a voter.
 */
export function krumScores(
  products: Float64Array,
  scales: readonly number[],
  voters: readonly number[],
  silos: number,
  byzantine: number,
): number[] {
  const product = (i: number, j: number): number => scales[i]! * scales[j]! * products[i * silos + j]!;
  const neighbours = voters.length - byzantine - 2;
  return voters.map((i) => {
    const distances = voters.flatMap((j) =>
      i === j ? [] : [Math.max(0, product(i, i) + product(j, j) - 2 * product(i, j))],
    );
    return Float64Array.from(distances)
      .sort()
      .subarray(0, neighbours)
      .reduce((sum, value) => sum + value, 0);
  });
}

/** Where the least scores are, so many; of equal ones the first. */
export function leastScores(scores: readonly number[], count: number): number[] {
  return scores
    .map((score, at) => ({ score, at }))
    .sort((x, y) => x.score - y.score || x.at - y.at)
    .slice(0, count)
    .map(({ at }) => at);
}
