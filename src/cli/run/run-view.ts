import type { RoundDiagnostics } from '../../align/types.js';
import type { Evaluation } from '../../rpc/gen/fedrot/v1/Evaluation.js';
import type { RoundRecord } from '../../rpc/gen/fedrot/v1/RoundRecord.js';
import type { Run } from '../../rpc/gen/fedrot/v1/Run.js';

/** What a person wants to know of a finished round; null where it is not known (yet). */
export interface RoundView {
  readonly round: number;
  /** On the evaluators' test examples, 0 to 1. */
  readonly accuracy: number | null;
  /** Lowest accuracy among those that scored the version; null unless several did. */
  readonly worstAccuracy: number | null;
  /** Highest minus lowest accuracy among them. */
  readonly accuracySpread: number | null;
  /** On the evaluators' test examples, mean, nats. */
  readonly loss: number | null;
  /** Mean over the silos' training losses, weighted by examples; nats. */
  readonly trainLoss: number | null;
  /** From the first assignment to the published adapter. */
  readonly seconds: number;
  readonly updates: number;
  readonly bytesReceived: number;
  /** What the errors' nulls mean: not measured yet, nothing to relate to, measuring failed, nothing was combined. */
  readonly diagnosis: 'pending' | 'done' | 'failed' | 'none';
  /** Relative to the exact mean product ‖ΔW*‖_F, all modules together; null where ΔW* = 0. */
  readonly aggregationError: number | null;
  /** What plain averaging of the same updates would have given. */
  readonly aggregationErrorFedit: number | null;
  /** What the best factors of the run's rank would have given. */
  readonly aggregationErrorBound: number | null;
}

/** Mean of values by weight, null where no weight or a value is no number. */
function weightedMean(items: readonly { readonly value: number; readonly weight: number }[]): number | null {
  const weight = items.reduce((sum, item) => sum + item.weight, 0);
  const mean = items.reduce((sum, item) => sum + item.value * item.weight, 0) / weight;
  return Number.isFinite(mean) ? mean : null;
}

function score(run: Run, version: number, value: (evaluation: Evaluation) => number): number | null {
  return weightedMean(
    run.evaluations
      .filter((evaluation) => evaluation.version === version)
      .map((evaluation) => ({ value: value(evaluation), weight: evaluation.examples })),
  );
}

/** Accuracy of a version of the adapter over all that evaluated it, by their examples. */
export const accuracyOf = (run: Run, version: number): number | null =>
  score(run, version, ({ accuracy }) => accuracy);

/** Mean loss of a version in the same way. */
export const lossOf = (run: Run, version: number): number | null => score(run, version, ({ loss }) => loss);

const DIAGNOSES = ['pending', 'done', 'failed', 'none'] as const;

/** A coordinator that publishes only what it has measured says nothing of it. */
function diagnosisOf({ diagnosis, rollback }: RoundRecord): RoundView['diagnosis'] {
  return DIAGNOSES.find((known) => known === diagnosis) ?? (rollback ? 'none' : 'done');
}

function diagnosticsOf({ diagnosticsJson }: RoundRecord): RoundDiagnostics | undefined {
  return diagnosticsJson === '' ? undefined : (JSON.parse(diagnosticsJson) as RoundDiagnostics);
}

/** How the accuracy of a version differs between silos; nulls unless several told one. */
function fairness(run: Run, version: number): Pick<RoundView, 'worstAccuracy' | 'accuracySpread'> {
  const accuracies = run.evaluations
    .filter((evaluation) => evaluation.version === version && !Number.isNaN(evaluation.accuracy))
    .map(({ accuracy }) => accuracy);
  if (accuracies.length < 2) return { worstAccuracy: null, accuracySpread: null };
  const worst = Math.min(...accuracies);
  return { worstAccuracy: worst, accuracySpread: Math.max(...accuracies) - worst };
}

export function viewRound(run: Run, record: RoundRecord): RoundView {
  const diagnostics = diagnosticsOf(record);
  const version = record.adapter?.version ?? record.round;
  return {
    round: record.round,
    accuracy: accuracyOf(run, version),
    ...fairness(run, version),
    loss: lossOf(run, version),
    trainLoss: weightedMean(record.updates.map(({ loss, examples }) => ({ value: loss, weight: examples }))),
    seconds: (record.publishedMs - record.startedMs) / 1000,
    updates: record.updates.length,
    bytesReceived: record.bytesReceived,
    diagnosis: diagnosisOf(record),
    aggregationError: diagnostics?.aggregationError ?? null,
    aggregationErrorFedit: diagnostics?.aggregationErrorFedit ?? null,
    aggregationErrorBound: diagnostics?.aggregationErrorBound ?? null,
  };
}

export const viewRounds = (run: Run): RoundView[] => run.rounds.map((record) => viewRound(run, record));

const STATES: Readonly<Record<Run['state'], string>> = {
  RUN_STATE_UNSPECIFIED: 'unknown',
  RUN_STATE_WAITING: 'waiting',
  RUN_STATE_RUNNING: 'running',
  RUN_STATE_FINISHED: 'finished',
  RUN_STATE_STOPPED: 'stopped',
  RUN_STATE_FAILED: 'failed',
  RUN_STATE_PAUSED: 'paused',
};

export const stateOf = (run: Run): string => STATES[run.state];

/** Whether errors of published rounds are still to come. */
export const isBeingMeasured = ({ rounds }: Run): boolean =>
  rounds.some((record) => diagnosisOf(record) === 'pending');

export const hasEnded = ({ state }: Run): boolean =>
  state === 'RUN_STATE_FINISHED' || state === 'RUN_STATE_STOPPED' || state === 'RUN_STATE_FAILED';
