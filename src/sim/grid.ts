import { createHash } from 'node:crypto';
import { checkAggregation, instructions } from '../align/methods.js';
import { canonicalJson } from '../evidence/canonical-json.js';
import { FedrotError } from '../errors.js';
import type { Study } from './study.js';

/** One run of the grid: a value for every axis. Plain JSON. */
export interface Trial {
  /** Name of the data set. */
  readonly data: string;
  readonly partition: Study['partition'][number];
  readonly minExamples: number;
  readonly silos: number;
  readonly fraction: number;
  readonly targetModules: readonly string[];
  readonly modulesToSave: readonly string[];
  readonly rank: number;
  readonly scale: number;
  readonly rsLora: boolean;
  /** Given to silos in turn; absent: the run's rank for all. */
  readonly siloRanks?: readonly number[] | undefined;
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly methodName: string;
  readonly serverOptimizer: Study['serverOptimizer'][number];
  readonly robust: Study['robust'][number];
  readonly weighting: 'examples' | 'uniform';
  readonly optimizer: Study['optimizer'][number];
  readonly schedule: Study['schedule'];
  readonly batchSize: number;
  readonly localSteps: number;
  readonly rounds: number;
  readonly start: 'common' | 'own';
  readonly scramble: boolean;
  readonly evaluateEvery: number;
  /** Share of a silo's examples that it is scored on; absent: none. */
  readonly perSilo?: number | undefined;
  readonly seed: number;
}

/** PEFT's choice for BERT. */
const DEFAULT_TARGETS = [['query', 'value']];

/** Every combination of the values, the last key changing fastest. */
function product<T extends object>(axes: { readonly [K in keyof T]: readonly T[K][] }): T[] {
  let all: object[] = [{}];
  for (const [key, values] of Object.entries<readonly unknown[]>(axes))
    all = all.flatMap((one) => values.map((value) => ({ ...one, [key]: value })));
  return all as T[];
}

/**
 * Every combination, the seed outermost and the method innermost: a study that is stopped early has compared methods already, and methods
 * that begin alike come one after the other. Throws option_invalid for methods, options and steps that do not go together.
 */
export function expandGrid(study: Study): Trial[] {
  for (const { method, options } of study.methods)
    for (const serverOptimizer of study.serverOptimizer)
      for (const robust of study.robust) {
        checkAggregation({
          method,
          options,
          ...(serverOptimizer && { serverOptimizer }),
          ...(robust && { robust }),
        });
      }
  checkRanks(study);
  const optimizers = study.optimizer.flatMap((optimizer) =>
    (study.learningRate ?? [optimizer.learningRate]).map((learningRate) => ({ ...optimizer, learningRate })),
  );
  const all = product<
    Omit<Trial, 'method' | 'options' | 'methodName'> & { choice: Study['methods'][number] }
  >({
    seed: study.seeds,
    data: study.data.map(({ name }) => name),
    partition: study.partition,
    minExamples: [study.minExamples],
    silos: study.silos,
    fraction: study.fraction,
    targetModules: study.targetModules ?? DEFAULT_TARGETS,
    modulesToSave: [study.modulesToSave],
    rank: study.rank,
    scale: study.scale,
    rsLora: [study.rsLora],
    // Undefined keys are in no JSON: trials that do without are known by the same name as before there were such keys.
    siloRanks: study.siloRanks ?? [undefined],
    weighting: study.weighting,
    optimizer: optimizers,
    schedule: [study.schedule],
    batchSize: study.batchSize,
    localSteps: study.localSteps,
    rounds: study.rounds,
    start: study.start,
    scramble: study.scramble,
    serverOptimizer: study.serverOptimizer,
    robust: study.robust,
    evaluateEvery: [study.evaluation.every],
    perSilo: [study.evaluation.perSilo === 0 ? undefined : study.evaluation.perSilo],
    choice: study.methods,
  });
  return all.map(({ choice: { method, options, name }, ...rest }) => ({
    ...rest,
    method,
    options,
    methodName: name,
  }));
}

/** Ranks below the run's need a method that takes them. Throws option_invalid. */
function checkRanks({ methods, rank, siloRanks = [] }: Study): void {
  const smallest = Math.min(...siloRanks.flat());
  const run = rank.find((one) => one > smallest);
  if (run === undefined) return;
  const refused = methods.find(
    ({ method, options }) => instructions(method, options, 1).ownRank === undefined,
  );
  if (refused !== undefined)
    throw new FedrotError(
      'option_invalid',
      `siloRanks: ${refused.method} needs the same rank from every silo, but some train with ${smallest} where the run has ${run}`,
    );
}

/** What a trial is known by in results.jsonl: the same settings, data and model give the same name. */
export function trialId(trial: Trial, content: Readonly<Record<string, string>>): string {
  const { methodName: _name, ...settings } = trial;
  const json = canonicalJson(JSON.parse(JSON.stringify({ settings, content })));
  return createHash('sha256').update(json).digest('hex').slice(0, 20);
}
