import { groupBy } from '../group-by.js';
import { settingKey, varyingAxes } from './axes.js';
import type { Trial } from './grid.js';
import type { TrialResult, VersionResult } from './results.js';
import { statistic, type Statistic } from './statistics.js';

type Measure = Exclude<keyof VersionResult, 'version' | 'silos'>;

/** A method in one setting, over the seeds. Accuracies are shares from 0 to 1. */
export interface MethodSummary {
  readonly method: string;
  readonly trials: number;
  /** Of them ended in failure: their last accuracy still counts. */
  readonly failed: number;
  readonly first: Statistic | undefined;
  readonly final: Statistic | undefined;
  /** Of the last version that silos scored on examples of their own: the lowest accuracy, and the highest minus the lowest. */
  readonly worstSilo: Statistic | undefined;
  readonly spread: Statistic | undefined;
  /** Of the same seed: this method minus the baseline; absent for the baseline itself. */
  readonly firstDifference: Statistic | undefined;
  readonly finalDifference: Statistic | undefined;
  /** Means over the rounds after the first (of the first where it is the only one), and over the seeds; squared, relative to ‖ΔW*‖². */
  readonly squaredError: Statistic | undefined;
  readonly squaredErrorFedit: Statistic | undefined;
  readonly squaredErrorBound: Statistic | undefined;
  /** By version, over the seeds. */
  readonly curve: (measure: Measure) => readonly { readonly version: number; readonly value: Statistic }[];
}

export interface SettingSummary {
  /** What tells it apart from the others; '' where there is one only. */
  readonly label: string;
  /** Any of its trials. */
  readonly trial: Trial;
  readonly methods: readonly MethodSummary[];
}

const last = (result: TrialResult): number | null =>
  result.versions.reduce<number | null>((value, { accuracy }) => accuracy ?? value, null);

const first = (result: TrialResult): number | null =>
  result.versions.find(({ version }) => version === 1)?.accuracy ?? null;

const siloScores = ({ versions }: TrialResult): number[] =>
  Object.values(versions.reduce((silos, version) => version.silos ?? silos, {}));
const lowest = (scores: readonly number[]): number | null =>
  scores.length === 0 ? null : Math.min(...scores);
const width = (scores: readonly number[]): number | null =>
  scores.length === 0 ? null : Math.max(...scores) - Math.min(...scores);

/** Mean over the rounds after the first; of the first where there is no other. */
function after({ trial, versions }: TrialResult, measure: Measure): number | undefined {
  const from = Math.min(2, trial.rounds);
  return statistic(versions.filter(({ version }) => version >= from).map((one) => one[measure]))?.mean;
}

function summarizeMethod(results: readonly TrialResult[], baseline: readonly TrialResult[]): MethodSummary {
  const difference = (value: (result: TrialResult) => number | null): Statistic | undefined =>
    statistic(
      results.map((result) => {
        const other = baseline.find(({ trial }) => trial.seed === result.trial.seed);
        const [own, plain] = [value(result), other === undefined ? null : value(other)];
        return other === result || own === null || plain === null ? null : own - plain;
      }),
    );
  return {
    method: results[0]?.trial.methodName ?? '',
    trials: results.length,
    failed: results.filter(({ outcome }) => outcome === 'failed').length,
    first: statistic(results.map(first)),
    final: statistic(results.map(last)),
    worstSilo: statistic(results.map((result) => lowest(siloScores(result)))),
    spread: statistic(results.map((result) => width(siloScores(result)))),
    firstDifference: difference(first),
    finalDifference: difference(last),
    squaredError: statistic(results.map((result) => after(result, 'squaredError'))),
    squaredErrorFedit: statistic(results.map((result) => after(result, 'squaredErrorFedit'))),
    squaredErrorBound: statistic(results.map((result) => after(result, 'squaredErrorBound'))),
    curve: (measure) => {
      const versions = [...new Set(results.flatMap((result) => result.versions.map((one) => one.version)))];
      return versions
        .sort((a, b) => a - b)
        .flatMap((version) => {
          const value = statistic(
            results.map((result) => result.versions.find((one) => one.version === version)?.[measure]),
          );
          return value === undefined ? [] : [{ version, value }];
        });
    },
  };
}

/** Results by setting and method, in their order. `baseline`: the name of the method that others are compared with. */
export function summarize(results: readonly TrialResult[], baseline: string): SettingSummary[] {
  const axes = varyingAxes(results.map(({ trial }) => trial));
  return [...groupBy(results, ({ trial }) => settingKey(trial)).values()].flatMap((setting) => {
    const [one] = setting;
    if (one === undefined) return [];
    const plain = setting.filter(({ trial }) => trial.methodName === baseline);
    return {
      label: axes.map(({ text }) => text(one.trial)).join(', '),
      trial: one.trial,
      methods: [...groupBy(setting, ({ trial }) => trial.methodName).values()].map((each) =>
        summarizeMethod(each, plain),
      ),
    };
  });
}
