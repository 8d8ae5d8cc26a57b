import { join } from 'node:path';
import type { SiloInstructions } from '../align/instructions.js';
import { instructions as instructionsOf } from '../align/methods.js';
import type { RoundDiagnostics } from '../align/types.js';
import type { Trainer } from '../client/training/local-trainer.js';
import { scrambleBasis } from '../client/training/scramble-basis.js';
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
import type { TrialResult, VersionResult } from './results.js';
import { scoreSilos, scoreVersion } from './score-version.js';
import { siloData } from './silo-data.js';
import { SiloModels } from './silo-models.js';
import { trialSpec } from './trial-spec.js';

/** What a trial runs on. */
export interface TrialPlace {
  readonly bundle: Bundle;
  readonly data: StudyData;
  readonly maxTokens: number;
  readonly trainer: Trainer;
  readonly memo: Memo;
  /** For what a trial writes while it runs. */
  readonly scratch: string;
  /** Ends the trial after the step under way; it then rejects with cancelled. */
  readonly signal?: AbortSignal | undefined;
  /** Called after every round. */
  readonly onRound?: (round: number) => void;
}

/** Ranks that silos train with, given to them in turn. */
function ranksOf({ siloRanks = [] }: Trial, silos: Iterable<string>): ReadonlyMap<string, number> {
  return new Map(
    [...silos].flatMap((silo, i) => {
      const rank = siloRanks[i % siloRanks.length];
      return rank === undefined ? [] : [[silo, rank] as const];
    }),
  );
}

/** Where a silo starts in round 1 when it brings an adapter of its own: an A of its own draw, B = 0, the common head. */
function ownStart(bundle: Bundle, spec: RunSpec, silo: string): NamedTensor[] {
  const seed = Random.of(spec.seed, 'own start', silo).uint32();
  return initialAdapter(bundle, spec.lora, seed);
}

function measures(
  diagnostics: RoundDiagnostics | undefined,
): Omit<VersionResult, 'version' | 'accuracy' | 'silos' | 'loss' | 'trainLoss'> {
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
  const { bundle, data, trainer, memo, signal } = place;
  const spec = trialSpec(trial, bundle, place.maxTokens);
  const silos = siloData(trial, data);
  const ranks = ranksOf(trial, silos.keys());
  const models = new SiloModels({ bundle, spec, ranks, folder: join(place.scratch, id) });
  const versions: VersionResult[] = [];
  const started = performance.now();
  let failures = 0;

  const evaluate = async (version: number, published: readonly NamedTensor[]) => {
    const { every, last } = { every: trial.evaluateEvery, last: trial.rounds };
    if (version > 1 && version !== last && version % every !== 0) return { accuracy: null, loss: null };
    const { method, options } = spec.aggregation;
    // Nobody has kept anything before round 1.
    const instructions: SiloInstructions =
      version === 0 ? { train: 'both' } : instructionsOf(method, options, version);
    const input = { trainer, models, silos, test: data.test, published, instructions, signal };
    const { task, lora, bundle: model } = spec;
    const scored = { model, task, lora, adapter: digest(published), data: data.sha256 };
    // Later versions, and models that are more than the published adapter, no other trial has.
    const shared = version <= 1 && models.base === bundle && instructions.share === undefined;
    const scores = shared ? await memo.values(scored, () => scoreVersion(input)) : await scoreVersion(input);
    const own = version === 0 ? undefined : await scoreSilos(input);
    return { ...scores, ...(own && { silos: own }) };
  };

  const train = async (
    silo: string,
    round: number,
    published: readonly NamedTensor[],
    instructions: SiloInstructions,
  ): Promise<LocalUpdate> => {
    const part = silos.get(silo);
    if (part === undefined) throw new FedrotError('internal', `there is no silo ${silo}`);
    const start = round === 1 && trial.start === 'own' ? ownStart(bundle, spec, silo) : published;
    const model = models.training(silo, start, instructions);
    const seed = [spec.seed, silo, round];
    const work = async () => {
      const { tensors, examples, metrics } = await trainer.train({
        ...model,
        data: part.train,
        instructions,
        round,
        seed,
        ...(signal && { signal }),
      });
      return { tensors, rest: { examples, loss: metrics.loss } };
    };
    const key = {
      ...trainingKey(model.spec),
      seed,
      train: instructions.train,
      adapter: round === 1 ? digest(model.adapter) : '',
      data: data.sha256,
      partition: [trial.partition, trial.silos, trial.minExamples],
      ...(trial.perSilo !== undefined && { perSilo: trial.perSilo }),
    };
    const { tensors, rest } = round === 1 ? await memo.tensors(key, work) : await work();
    models.keep(silo, tensors, instructions);
    const whole = (instructions.share ?? 'both') === 'both';
    return { ...rest, tensors: trial.scramble && whole ? scrambleBasis(tensors, ...seed) : tensors };
  };

  const onVersion = async ({ version, tensors, round, merge }: PublishedVersion): Promise<void> => {
    if (merge !== undefined) await models.merge(version, merge);
    const scores = await evaluate(version, tensors);
    versions.push({
      version,
      ...scores,
      trainLoss: round?.trainLoss ?? null,
      ...measures(round?.diagnostics),
    });
    if (version > 0) place.onRound?.(version);
  };

  try {
    const state = await runFederation({
      spec,
      silos: [...silos.keys()],
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
  } finally {
    await models.close();
  }
}
