import type { Random } from '../../random.js';

/** So many batches are drawn together, and their examples sorted by length: rows of a batch are then of similar length. */
const BUCKET_BATCHES = 8;

export interface BatchPlan {
  /** How many examples there are. */
  readonly count: number;
  readonly batchSize: number;
  /** Tokens of an example; asked for only when it is about to be used. */
  readonly lengthOf: (index: number) => number;
  readonly random: Random;
}

/**
 * Batches without end, as indices of examples: shuffled epochs, in which every example comes once. Within a window of
 * 8 batches examples are put together by length and the batches shuffled, so that little padding is computed and the order
 * still is random. The last batch of an epoch may be smaller. The same random stream gives the same batches.
 */
export function* planBatches({
  count,
  batchSize,
  lengthOf,
  random,
}: BatchPlan): Generator<readonly number[], never> {
  for (;;) {
    const order = random.shuffle(Array.from({ length: count }, (_, index) => index));
    for (let begin = 0; begin < count; begin += batchSize * BUCKET_BATCHES) {
      const window = order.slice(begin, begin + batchSize * BUCKET_BATCHES);
      const lengths = new Map(window.map((index) => [index, lengthOf(index)]));
      // Sorting is stable: equal lengths stay in their random order.
      window.sort((a, b) => (lengths.get(a) ?? 0) - (lengths.get(b) ?? 0));
      yield* random.shuffle(inBatches(window, batchSize));
    }
  }
}

/** Consecutive groups of at most `size`. */
export function inBatches<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, batch) =>
    items.slice(batch * size, (batch + 1) * size),
  );
}
