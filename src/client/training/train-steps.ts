import type { Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import { Random } from '../../random.js';
import type { RunSpec } from '../../run-spec.js';
import type { TrainSession } from '../../train/session-types.js';
import type { EncodedExamples } from './encoded-examples.js';
import { planBatches } from './plan-batches.js';
import { stepOptions, stepsOfRound } from './step-options.js';
import type { CheckpointStore, StepSums, TrainingCheckpoint } from './training-checkpoint.js';

export interface StepProgress {
  /** From 1. */
  readonly step: number;
  readonly totalSteps: number;
  /** Of this step; of all batches so far where an adapter is scored. Nats. */
  readonly loss: number;
  /** Of this step, without padding. */
  readonly tokens: number;
  /** Wall time of this step. */
  readonly seconds: number;
}

export interface StepsInput {
  readonly spec: RunSpec;
  /** Of the run, from 1. */
  readonly round: number;
  readonly seed: readonly (string | number)[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StepProgress) => void) | undefined;
  readonly checkpoints?: CheckpointStore | undefined;
  /** Where training goes on; the session has been restored to it. */
  readonly from?: TrainingCheckpoint | undefined;
  readonly clock: Clock;
}

/** What was done in all steps of the round, also before an interruption. */
export interface StepsResult extends StepSums {
  readonly steps: number;
}

/** The steps of a round: as many as the run asks for, or fewer where epochs or seconds are used up before. Throws cancelled, tensor_not_finite. */
export async function trainSteps(
  session: TrainSession,
  encoded: EncodedExamples,
  input: StepsInput,
): Promise<StepsResult> {
  const { spec, round, seed, signal, onProgress, checkpoints, from, clock } = input;
  const { batchSize, gradientAccumulation, maxLocalSeconds = Infinity } = spec.training;
  const totalSteps = stepsOfRound(spec, encoded.count);
  const batches = planBatches({
    count: encoded.count,
    batchSize,
    lengthOf: (index) => encoded.lengthOf(index),
    random: Random.of('batches', ...seed),
  });
  const nextBatches = (): readonly (readonly number[])[] =>
    Array.from({ length: gradientAccumulation }, () => batches.next().value);
  let step = from?.step ?? 0;
  for (let done = 0; done < step; done++) nextBatches();
  let sums: StepSums = from?.sums ?? { loss: 0, labels: 0, tokens: 0, seconds: 0 };
  let before = clock.now();
  const save = async (): Promise<void> => {
    const { parameters, optimizer } = await session.saveState();
    await checkpoints?.save({ step, sums, state: { parameters, ...(optimizer && { optimizer }) } });
  };
  while (step < totalSteps && (step === 0 || sums.seconds < maxLocalSeconds)) {
    if (signal?.aborted === true) {
      if (checkpoints !== undefined && step > 0) await save();
      throw new FedrotError('cancelled', 'the task was cancelled');
    }
    const rows = nextBatches();
    const fed = rows.map((batch) => encoded.batch(batch));
    const { loss } = await session.step(fed, stepOptions(spec, round, step + 1, seed));
    step++;
    const now = clock.now();
    const seconds = (now - before) / 1000;
    const next = add(sums, rows.flat(), encoded, loss, seconds);
    onProgress?.({ step, totalSteps, loss, tokens: next.tokens - sums.tokens, seconds });
    sums = next;
    before = now;
    if (checkpoints?.due() === true && step < totalSteps) await save();
  }
  return { steps: step, ...sums };
}

function add(
  { loss, labels, tokens, seconds }: StepSums,
  rows: readonly number[],
  encoded: EncodedExamples,
  stepLoss: number,
  stepSeconds: number,
): StepSums {
  const sum = (of: (row: number) => number): number => rows.reduce((total, row) => total + of(row), 0);
  const counted = sum((row) => encoded.labelsOf(row));
  return {
    loss: loss + stepLoss * counted,
    labels: labels + counted,
    tokens: tokens + sum((row) => encoded.lengthOf(row)),
    seconds: seconds + stepSeconds,
  };
}
