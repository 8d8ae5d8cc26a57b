import { FedrotError } from '../../errors.js';
import { Random } from '../../random.js';
import type { PartitionSpec } from '../study.js';
import { apportion, byLabel, drawParts } from './dirichlet.js';

/** What a partition looks at. */
export interface Divisible {
  readonly label: string;
  /** Value of the field that `field` goes by. */
  readonly group?: string | undefined;
}

export interface PartitionOptions {
  readonly silos: number;
  readonly seed: number;
  /** A silo that a draw leaves with fewer gets examples of the largest silo. */
  readonly minExamples: number;
}

type Divide<K extends PartitionSpec['kind']> = (
  examples: readonly Divisible[],
  spec: Extract<PartitionSpec, { readonly kind: K }>,
  options: PartitionOptions,
  random: Random,
) => number[][];

/** Equal parts at random. */
const iid: Divide<'iid'> = (examples, _spec, { silos }, random) => {
  const order = random.shuffle(examples.map((_, position) => position));
  return cut(order, silos);
};

/** For each label, the silos' shares are drawn from Dirichlet(alpha) (arXiv 1909.06335); one draw. */
const dirichlet: Divide<'dirichlet'> = (examples, { alpha }, { silos }, random) => {
  const groups = [...byLabel(examples).values()].map((group) => random.shuffle([...group]));
  return drawParts(groups, random, { silos, alpha });
};

/** Examples sorted by label, cut into silos × perSilo equal shards, dealt at random (McMahan et al., arXiv 1602.05629). */
const shards: Divide<'shards'> = (examples, { perSilo }, { silos }, random) => {
  const sorted = [...byLabel(examples).values()].flatMap((group) => random.shuffle([...group]));
  const pieces = random.shuffle(cut(sorted, silos * perSilo));
  return Array.from({ length: silos }, (_, silo) =>
    pieces.slice(silo * perSilo, (silo + 1) * perSilo).flat(),
  );
};

/** All examples with one value of the field go to one silo; the largest group first, each to the smallest silo. */
const field: Divide<'field'> = (examples, { field: name }, { silos }, random) => {
  const groups = new Map<string, number[]>();
  examples.forEach(({ group }, position) => {
    if (group === undefined)
      throw new FedrotError('data_missing_column', `an example has no field ${JSON.stringify(name)}`);
    const known = groups.get(group);
    if (known === undefined) groups.set(group, [position]);
    else known.push(position);
  });
  if (groups.size < silos)
    throw new FedrotError(
      'option_invalid',
      `field ${JSON.stringify(name)} has ${groups.size} values: they cannot be spread over ${silos} silos`,
    );
  const names = random.shuffle([...groups.keys()].sort());
  const ordered = names.map((key) => groups.get(key) ?? []).sort((a, b) => b.length - a.length);
  const parts: number[][] = Array.from({ length: silos }, () => []);
  for (const group of ordered) {
    const smallest = parts.reduce((least, part) => (part.length < least.length ? part : least));
    smallest.push(...group);
  }
  return parts;
};

const KINDS: { readonly [K in PartitionSpec['kind']]: Divide<K> } = { iid, dirichlet, shards, field };

/** The first parts are one longer where it does not come out even. */
function cut(order: readonly number[], parts: number): number[][] {
  let from = 0;
  return apportion(
    order.length,
    Array.from({ length: parts }, () => 1 / parts),
  ).map((count) => order.slice(from, (from += count)));
}

/** Takes from the end of the largest part for every part that is too small. */
function topUp(parts: number[][], least: number): void {
  for (const part of parts)
    while (part.length < least) {
      const largest = parts.reduce((most, other) => (other.length > most.length ? other : most));
      part.push(...largest.splice(-1));
    }
}

/**
 * The positions of the examples of every silo, each in ascending order; every example goes to exactly one silo. The same examples, options
 * and seed give the same parts. Throws option_invalid where there are too few examples or values of the field.
 */
export function partition(
  examples: readonly Divisible[],
  spec: PartitionSpec,
  options: PartitionOptions,
): number[][] {
  const { silos, seed, minExamples } = options;
  if (examples.length < silos * minExamples)
    throw new FedrotError(
      'option_invalid',
      `${examples.length} examples are too few for ${silos} silos with at least ${minExamples} each`,
    );
  const random = Random.of(seed, 'partition', spec.kind);
  const divide = KINDS[spec.kind] as Divide<PartitionSpec['kind']>;
  const parts = divide(examples, spec, options, random);
  if (spec.kind !== 'field') topUp(parts, minExamples);
  return parts.map((part) => part.sort((a, b) => a - b));
}
