import { expect, it } from 'vitest';
import { perplexity } from '../../src/train/perplexity.js';

it('perplexity is exp of the mean over all tokens, not of the batches', () => {
  // Uniform over 7 words: perplexity 7, however the tokens are spread over batches.
  const uniform = [1, 4, 20].map((count) => ({ lossSum: count * Math.log(7), count }));
  expect(perplexity(uniform)).toBeCloseTo(7, 12);
  expect(
    perplexity([
      { lossSum: 2, count: 1 },
      { lossSum: 0, count: 3 },
    ]),
  ).toBeCloseTo(Math.exp(0.5), 12);
  expect(perplexity([])).toBeNaN();
});
