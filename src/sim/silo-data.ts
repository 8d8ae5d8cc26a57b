import type { DataPart } from '../client/data/data-set.js';
import type { Trial } from './grid.js';
import type { StudyData } from './data.js';
import { holdOut } from './partition/dirichlet.js';
import { partition } from './partition/partition.js';

/** A silo's examples. */
export interface SiloData {
  readonly train: DataPart;
  /** What it kept from training; absent where it keeps none. */
  readonly test?: DataPart | undefined;
}

/** silo-1, silo-2, …; as many digits as the last one has, so that order by name is order by number. */
const siloName = (index: number, count: number): string =>
  `silo-${String(index + 1).padStart(String(count).length, '0')}`;

/**
 * Who has which examples: the same for every trial with the same seed, data and partition. A silo that keeps a share of them for itself
 * keeps at least one, and trains on at least one.
 */
export function siloData(trial: Trial, { train }: StudyData): ReadonlyMap<string, SiloData> {
  const { silos, seed, minExamples, perSilo = 0 } = trial;
  const parts = partition(train.examples, trial.partition, { silos, seed, minExamples });
  return new Map(
    parts.map((positions, i) => {
      const examples = positions.flatMap((at) => train.examples[at] ?? []);
      const part = (some: DataPart['examples']): DataPart => ({ path: train.path, examples: some });
      const kept = Math.min(Math.max(1, Math.round(perSilo * examples.length)), examples.length - 1);
      if (perSilo === 0 || kept < 1) return [siloName(i, parts.length), { train: part(examples) }];
      const split = holdOut(examples, kept, seed);
      return [siloName(i, parts.length), { train: part(split.train), test: part(split.test) }];
    }),
  );
}
