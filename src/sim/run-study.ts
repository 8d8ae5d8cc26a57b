import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { loadStudyData } from './data.js';
import { expandGrid, trialId, type Trial } from './grid.js';
import { bundleFor } from './prepare-models.js';
import { appendResult, readResults, type TrialResult } from './results.js';
import type { Study } from './study.js';
import { askedSilos } from './trial-spec.js';
import { performJobs } from './worker-pool.js';
import type { Job, WorkerData } from './worker-protocol.js';

export interface StudyProgress {
  readonly trials: { readonly done: number; readonly total: number };
  /** Optimizer steps of this call; those of trials that were there before do not count. */
  readonly steps: { readonly done: number; readonly total: number };
}

export interface RunStudyOptions {
  /** Gets results.jsonl; what is in it is not computed again. */
  readonly out: string;
  /** For bundles, activations and what trials share. */
  readonly cache: string;
  /** Default the machine's cores; each computes on one thread. Results do not depend on it. */
  readonly workers?: number | undefined;
  /** Default true; false only reads what is there. */
  readonly compute?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: StudyProgress) => void) | undefined;
  /** Called with every new result. */
  readonly onResult?: ((result: TrialResult) => void) | undefined;
}

export interface StudyResults {
  /** In the grid's order. */
  readonly done: readonly TrialResult[];
  /** Trials of the grid without a result. */
  readonly missing: number;
}

export const RESULTS_FILE = 'results.jsonl';

/** The field that partitions go by, if any does; a study has one at most. */
function groupField(study: Study): string | undefined {
  return study.partition.flatMap((one) => (one.kind === 'field' ? [one.field] : []))[0];
}

const stepsOf = (trial: Trial): number => trial.rounds * askedSilos(trial) * trial.localSteps;

/** Trials whose frozen layers are the same need them computed once. */
function preparations(trials: readonly Trial[]): Job[] {
  const jobs = new Map<string, Job>();
  for (const trial of trials) {
    const key = JSON.stringify([trial.data, trial.targetModules]);
    if (!jobs.has(key)) jobs.set(key, { kind: 'prepare', trial });
  }
  return [...jobs.values()];
}

/**
 * Runs what the grid has and results.jsonl lacks, and returns the results of the whole grid in its order. Throws what expandGrid and reading
 * the data throw, before anything is computed; cancelled where the signal ends it: results in hand are kept.
 */
export async function runStudy(study: Study, options: RunStudyOptions): Promise<StudyResults> {
  const trials = expandGrid(study);
  const group = groupField(study);
  mkdirSync(options.out, { recursive: true });
  const contents = new Map<string, Readonly<Record<string, string>>>();
  const data: WorkerData[] = [];
  for (const spec of study.data) {
    const loaded = await loadStudyData(spec, group);
    const bundle = await bundleFor(study, loaded, options.cache);
    data.push({ spec, group, bundleFolder: bundle.folder });
    contents.set(spec.name, { data: loaded.sha256, bundle: bundle.sha256 });
  }
  const named = trials.map((trial) => ({ id: trialId(trial, contents.get(trial.data) ?? {}), trial }));
  const path = join(options.out, RESULTS_FILE);
  const known = new Map(readResults(path).map((result) => [result.id, result]));
  const missing = [...new Map(named.map((one) => [one.id, one])).values()].filter(({ id }) => !known.has(id));

  const total = missing.reduce((sum, { trial }) => sum + stepsOf(trial), 0);
  const finished = named.length - missing.length;
  let doneSteps = 0;
  let doneTrials = 0;
  const tell = (): void =>
    options.onProgress?.({
      trials: { done: finished + doneTrials, total: named.length },
      steps: { done: doneSteps, total },
    });
  const workers = options.workers ?? availableParallelism();
  const setup = { data, cache: options.cache };
  const onRound = ({ trial }: Job): void => {
    doneSteps += stepsOf(trial) / trial.rounds;
    tell();
  };
  const onDone = (_job: Job, result: TrialResult | undefined): void => {
    if (result === undefined) return;
    appendResult(path, result);
    known.set(result.id, result);
    options.onResult?.(result);
    doneTrials++;
    tell();
  };
  if (options.compute === false) return collect();
  tell();
  const hooks = { onRound, onDone, signal: options.signal };
  await performJobs(preparations(missing.map(({ trial }) => trial)), workers, setup, hooks);
  const jobs = missing.map(({ id, trial }): Job => ({ kind: 'trial', id, trial }));
  await performJobs(jobs, workers, setup, hooks);
  return collect();

  function collect(): StudyResults {
    const done = named.flatMap(({ id, trial }) => {
      const result = known.get(id);
      // Named as this study names it: the file may be older.
      return result === undefined ? [] : [{ ...result, trial }];
    });
    return { done, missing: named.length - done.length };
  }
}
