import type { SiloInstructions } from '../align/instructions.js';
import type { DataPart } from '../client/data/data-set.js';
import type { Trainer } from '../client/training/local-trainer.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { VersionResult } from './results.js';
import type { SiloModel, SiloModels } from './silo-models.js';
import type { SiloData } from './silo-data.js';

type Scores = Pick<VersionResult, 'accuracy' | 'loss' | 'silos'>;

export interface ScoreInput {
  readonly trainer: Trainer;
  readonly models: SiloModels;
  readonly silos: ReadonlyMap<string, SiloData>;
  readonly test: DataPart;
  readonly published: readonly NamedTensor[];
  readonly instructions: SiloInstructions;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Scores a version on the test set. Where every silo keeps a factor there is no one model: then each silo's is scored on it, and the mean is
 * taken by training examples.
 */
export async function scoreVersion(input: ScoreInput): Promise<{ accuracy: number; loss: number }> {
  const { models, silos, test, published, instructions } = input;
  const { train, share = 'both' } = instructions;
  if (train !== 'both' || share === 'both') return score(input, models.scored('', published), test);
  const sum = { accuracy: 0, loss: 0, examples: 0 };
  for (const [silo, { train: own }] of silos) {
    const { accuracy, loss } = await score(input, models.scored(silo, published), test);
    const examples = own.examples.length;
    sum.accuracy += examples * accuracy;
    sum.loss += examples * loss;
    sum.examples += examples;
  }
  return { accuracy: sum.accuracy / sum.examples, loss: sum.loss / sum.examples };
}

/** Scores every silo's model on the examples that the silo kept from training; undefined where none did. */
export async function scoreSilos(input: ScoreInput): Promise<Scores['silos']> {
  const scores: Record<string, number> = {};
  for (const [silo, { test }] of input.silos)
    if (test !== undefined)
      scores[silo] = (await score(input, input.models.scored(silo, input.published), test)).accuracy;
  return Object.keys(scores).length === 0 ? undefined : scores;
}

async function score(
  { trainer, signal }: ScoreInput,
  model: SiloModel,
  data: DataPart,
): Promise<{ accuracy: number; loss: number }> {
  const { accuracy, loss } = await trainer.evaluate({ ...model, data, ...(signal && { signal }) });
  return { accuracy, loss };
}
