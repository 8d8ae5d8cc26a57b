/**
 * exp of the mean loss over all labels that count: what a language model is judged by. Sums of several batches are added before
 * (not the perplexities). Infinity beyond exp's range; NaN where nothing counts.
 */
export function perplexity(results: Iterable<{ readonly lossSum: number; readonly count: number }>): number {
  let [lossSum, count] = [0, 0];
  for (const result of results) {
    lossSum += result.lossSum;
    count += result.count;
  }
  return Math.exp(lossSum / count);
}
