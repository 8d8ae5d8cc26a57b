import type { SiloInstructions } from '../align/instructions.js';
import type { RoundDiagnostics } from '../align/types.js';
import type { Trainer } from '../client/training/local-trainer.js';
import { scrambleBasis } from '../client/training/scramble-basis.js';
import type { DataPart } from '../client/data/data-set.js';
import type { Bundle } from '../model/bundle.js';
import { initialAdapter } from '../model/initial-adapter.js';
import { software } from '../model/software.js';
import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import type { RunSpec } from '../run-spec.js';
import { encodeTensorFile } from '../tensor/encode-file.js';
import type { NamedTensor } from '../tensor/tensor.js';
import type { StudyData } from './data.js';
import { runFederation, type LocalUpdate, type PublishedVersion } from './federation.js';
import type { Trial } from './grid.js';
import type { Memo } from './memo.js';
import { partition } from './partition/partition.js';
import type { TrialResult, VersionResult } from './results.js';
import { trialSpec } from './trial-spec.js';

/** What a trial runs on. */
export interface TrialPlace {
  readonly bundle: Bundle;
  readonly data: StudyData;
  readonly maxTokens: number;
  readonly trainer: Trainer;
  readonly memo: Memo;
  /** Ends the trial after the step under way; it then rejects with cancelled. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every round. */
  readonly onRound?: (round: number) => void;
}

/** silo-1, silo-2, …; as many digits as the last one has, so that order by name is order by number. */
const siloName = (index: number, count: number): string =>
  `silo-${String(index + 1).padStart(String(count).length, '0')}`;

/** Who has which examples: the same for every trial with the same seed, data and partition. */
function siloParts(trial: Trial, { train }: StudyData): ReadonlyMap<string, DataPart> {
  const parts = partition(train.examples, trial.partition, {
    silos: trial.silos,
    seed: trial.seed,
    minExamples: trial.minExamples,
  });
  return new Map(
    parts.map((positions, i) => [
      siloName(i, parts.length),
      { path: train.path, examples: positions.flatMap((at) => train.examples[at] ?? []) },
    ]),
  );
}

/** Where a silo starts in round 1 when it brings an adapter of its own: an A of its own draw, B = 0, the common head. */
function ownStart(bundle: Bundle, spec: RunSpec, silo: string): NamedTensor[] {
  const seed = Random.of(spec.seed, 'own start', silo).uint32();
  return initialAdapter(bundle, spec.lora, seed);
}

function measures(
  diagnostics: RoundDiagnostics | undefined,
): Omit<VersionResult, 'version' | 'accuracy' | 'loss' | 'trainLoss'> {
  const square = (value: number | null | undefined): number | null =>
    value === null || value === undefined ? null : value ** 2;
  const lambdas = diagnostics?.modules.flatMap(({ lambda }) => lambda ?? []) ?? [];
  return {
    squaredError: square(diagnostics?.aggregationError),
    squaredErrorFedit: square(diagnostics?.aggregationErrorFedit),
    squaredErrorBound: square(diagnostics?.aggregationErrorBound),
    absoluteSquaredError: diagnostics?.squaredError ?? null,
    misalignment: diagnostics?.misalignment ?? null,
    lambda: lambdas.length === 0 ? null : lambdas.reduce((sum, each) => sum + each, 0) / lambdas.length,
  };
}

/** What of the specification a silo's training depends on; the schedule needs the run's length. */
function trainingKey(spec: RunSpec): object {
  const { bundle, task, lora, training, rounds } = spec;
  return {
    bundle,
    task,
    lora,
    training,
    ...(training.schedule.kind !== 'constant' && { rounds: rounds.count }),
  };
}

const digest = (tensors: readonly NamedTensor[]): string => encodeTensorFile(tensors).sha256;

/** Runs one trial from start to end. The same trial gives the same result, but for the seconds. */
export async function runTrial(id: string, trial: Trial, place: TrialPlace): Promise<TrialResult> {
  const { bundle, data, trainer, memo } = place;
  const spec = trialSpec(trial, bundle, place.maxTokens);
  const parts = siloParts(trial, data);
  const versions: VersionResult[] = [];
  const started = performance.now();
  const stoppable = place.signal === undefined ? {} : { signal: place.signal };
  let failures = 0;

  const evaluate = async (version: number, tensors: readonly NamedTensor[]) => {
    const { every, last } = { every: trial.evaluateEvery, last: trial.rounds };
    if (version > 1 && version !== last && version % every !== 0) return { accuracy: null, loss: null };
    const score = async (): Promise<{ accuracy: number; loss: number }> => {
      const { accuracy, loss } = await trainer.evaluate({
        bundle,
        spec,
        adapter: tensors,
        data: data.test,
        ...stoppable,
      });
      return { accuracy, loss };
    };
    if (version > 1) return score();
    const { task, lora, bundle: model } = spec;
    const scored = { model, task, lora, adapter: digest(tensors), data: data.sha256 };
    return memo.values(scored, score);
  };

  const train = async (
    silo: string,
    round: number,
    published: readonly NamedTensor[],
    instructions: SiloInstructions,
  ): Promise<LocalUpdate> => {
    const part = parts.get(silo);
    if (part === undefined) throw new FedrotError('internal', `there is no silo ${silo}`);
    const adapter = round === 1 && trial.start === 'own' ? ownStart(bundle, spec, silo) : published;
    const seed = [spec.seed, silo, round];
    const work = async () => {
      const { tensors, examples, metrics } = await trainer.train({
        bundle,
        spec,
        adapter,
        data: part,
        instructions,
        round,
        seed,
        ...stoppable,
      });
      return { tensors, rest: { examples, loss: metrics.loss } };
    };
    const key = {
      ...trainingKey(spec),
      seed,
      train: instructions.train,
      adapter: round === 1 ? digest(adapter) : '',
      data: data.sha256,
      partition: [trial.partition, trial.silos, trial.minExamples],
    };
    const { tensors, rest } = round === 1 ? await memo.tensors(key, work) : await work();
    return { ...rest, tensors: trial.scramble ? scrambleBasis(tensors, ...seed) : tensors };
  };

  const onVersion = async ({ version, tensors, round }: PublishedVersion): Promise<void> => {
    const scores = await evaluate(version, tensors);
    versions.push({
      version,
      ...scores,
      trainLoss: round?.trainLoss ?? null,
      ...measures(round?.diagnostics),
    });
    if (version > 0) place.onRound?.(version);
  };

  const state = await runFederation({
    spec,
    silos: [...parts.keys()],
    initial: initialAdapter(bundle, spec.lora, spec.seed),
    train,
    onVersion,
    onFailure: () => failures++,
  });
  return {
    id,
    trial,
    outcome: state.outcome === 'finished' ? 'finished' : 'failed',
    reason: state.reason,
    versions,
    failures,
    seconds: (performance.now() - started) / 1000,
    software: software(),
  };
}
