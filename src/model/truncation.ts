/** How many tokens of each text are kept. */
export interface Kept {
  readonly first: number;
  readonly second: number;
}

/**
 * How two texts share `budget` tokens (special tokens already taken off): the longer one loses tokens until
 * both fit; where both are longer than half, the odd token goes to the longer one, or to the second of
 * equals. That is Hugging Face's strategy `longest_first`, checked against tokenizers 0.23. A single text
 * passes second = 0.
 */
export function longestFirst(first: number, second: number, budget: number): Kept {
  if (first + second <= budget) return { first, second };
  const short = Math.min(first, second, Math.floor(budget / 2));
  const long = budget - short;
  return first > second ? { first: long, second: short } : { first: short, second: long };
}
