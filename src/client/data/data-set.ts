import { FedrotError } from '../../errors.js';
import { Random } from '../../random.js';
import type { ClientConfig } from '../config.js';
import type { Example } from './example.js';
import { readExamples } from './read-examples.js';

/** Examples with the file they came from. */
export interface DataPart {
  readonly path: string;
  readonly examples: readonly Example[];
}

/** What a silo works with: a trainer has `train`, and `test` where it keeps some for validation or has a test file; an evaluator has `test`. */
export interface DataSet {
  readonly train?: DataPart;
  readonly test?: DataPart;
}

/**
 * Splits examples in two, by a draw that depends on the seed parts only: the same after every restart. The second part gets
 * round(fraction × n) of them; both keep the order of the file.
 */
export function splitExamples(
  examples: readonly Example[],
  fraction: number,
  ...seed: readonly (string | number)[]
): readonly [Example[], Example[]] {
  const order = Random.of('validation split', ...seed).shuffle(examples.map((_, index) => index));
  const held = new Set(order.slice(0, Math.round(fraction * examples.length)));
  return [examples.filter((_, index) => !held.has(index)), examples.filter((_, index) => held.has(index))];
}

/** Reads what the configuration names. Throws as readExamples does. */
export async function loadDataSet(config: Pick<ClientConfig, 'name' | 'role' | 'data'>): Promise<DataSet> {
  const { train, test, validationFraction, format, columns } = config.data;
  const given =
    test === undefined ? undefined : { path: test, examples: await readExamples(test, { format, columns }) };
  if (config.role === 'evaluator' || train === undefined) return given === undefined ? {} : { test: given };
  const all = await readExamples(train, { format, columns });
  const [kept, held] = splitExamples(all, given === undefined ? validationFraction : 0, config.name);
  if (kept.length === 0)
    throw new FedrotError('data_empty', `${train}: data.validationFraction leaves no example to train on`);
  const validation = given ?? (held.length > 0 ? { path: train, examples: held } : undefined);
  return {
    train: { path: train, examples: kept },
    ...(validation === undefined ? {} : { test: validation }),
  };
}
