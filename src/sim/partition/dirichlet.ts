import { FedrotError } from '../../errors.js';
import { Random } from '../../random.js';

export interface Labelled {
  readonly label: string;
}

/** Positions of the examples by label, labels in order of their names. */
export function byLabel(examples: readonly Labelled[]): ReadonlyMap<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const label of [...new Set(examples.map((example) => example.label))].sort()) groups.set(label, []);
  examples.forEach((example, position) => groups.get(example.label)?.push(position));
  return groups;
}

/**
 * `total` cut into whole numbers in the given proportions (which sum to 1): largest remainders, ties to the first, so
 * that the parts sum to `total` exactly.
 */
export function apportion(total: number, proportions: readonly number[]): number[] {
  const exact = proportions.map((proportion) => proportion * total);
  const counts = exact.map(Math.floor);
  const missing = total - counts.reduce((sum, count) => sum + count, 0);
  const byRemainder = exact
    .map((value, index) => ({ index, remainder: value - Math.floor(value) }))
    .sort((x, y) => y.remainder - x.remainder || x.index - y.index);
  for (const { index } of byRemainder.slice(0, missing)) counts[index] = (counts[index] ?? 0) + 1;
  return counts;
}

/** A test set of `size` examples with the labels' natural rates, and the rest; both in the corpus's order. */
export function holdOut<T extends Labelled>(
  examples: readonly T[],
  size: number,
  seed: number,
): { train: T[]; test: T[] } {
  const random = Random.of(seed, 'hold-out');
  const groups = [...byLabel(examples).values()];
  const counts = apportion(
    Math.min(size, examples.length),
    groups.map((group) => group.length / examples.length),
  );
  const chosen = new Set(
    groups.flatMap((group, index) => random.shuffle([...group]).slice(0, counts[index])),
  );
  return {
    train: examples.filter((_, position) => !chosen.has(position)),
    test: examples.filter((_, position) => chosen.has(position)),
  };
}

/** Proportions drawn from a symmetric Dirichlet(alpha): gammas over their sum. */
function dirichlet(random: Random, alpha: number, parts: number): number[] {
  const gammas = Array.from({ length: parts }, () => random.gamma(alpha));
  const sum = gammas.reduce((total, gamma) => total + gamma, 0);
  return sum > 0 ? gammas.map((gamma) => gamma / sum) : gammas.map(() => 1 / parts);
}

export interface DirichletSplitOptions {
  readonly silos: number;
  /** Concentration: small is skewed, large is even. */
  readonly alpha: number;
  readonly seed: number;
  /** Redrawn until every silo has so many. */
  readonly minExamples: number;
}

const MAX_DRAWS = 10_000;

/** One draw: the positions of every silo, label after label. `groups`: positions by label, shuffled. */
export function drawParts(
  groups: readonly (readonly number[])[],
  random: Random,
  { silos, alpha }: Pick<DirichletSplitOptions, 'silos' | 'alpha'>,
): number[][] {
  const parts: number[][] = Array.from({ length: silos }, () => []);
  for (const group of groups) {
    let from = 0;
    apportion(group.length, dirichlet(random, alpha, silos)).forEach((count, silo) => {
      parts[silo]?.push(...group.slice(from, from + count));
      from += count;
    });
  }
  return parts;
}

/**
 * Label-skewed silos: for each label, the silos' shares of its examples are drawn from Dirichlet(alpha) (Hsu, Qi and
 * Brown 2019, arXiv 1909.06335, as federated benchmarks use it). Every example goes to exactly one silo.
 * Throws option_invalid where no draw in 10,000 gives every silo its minimum.
 */
export function dirichletSplit<T extends Labelled>(
  examples: readonly T[],
  { silos, alpha, seed, minExamples }: DirichletSplitOptions,
): T[][] {
  const random = Random.of(seed, 'dirichlet-split');
  const groups = [...byLabel(examples).values()].map((group) => random.shuffle([...group]));
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const parts = drawParts(groups, random, { silos, alpha });
    if (parts.some((part) => part.length < minExamples)) continue;
    return parts.map((part) => part.sort((x, y) => x - y).flatMap((position) => examples[position] ?? []));
  }
  throw new FedrotError(
    'option_invalid',
    `no Dirichlet(${alpha}) split of ${examples.length} examples gives each of ${silos} silos at least ${minExamples}: use fewer silos or a larger alpha`,
  );
}
