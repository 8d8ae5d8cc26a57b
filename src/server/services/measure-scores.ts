import type { RunActor } from '../coordinator/run-actor.js';
import type { CoordinatorMetrics } from '../metrics.js';
import { bestVersion } from '../round/scores.js';
import type { EvaluationRecord } from '../store/store.js';

/** Sets the gauges of a run's newest scored version: over all that scored it, and how they differ. */
export function measureScores(
  metrics: CoordinatorMetrics,
  { runId: run, state }: RunActor,
  evaluations: readonly EvaluationRecord[],
): void {
  const examples = evaluations.reduce((sum, evaluation) => sum + evaluation.examples, 0);
  if (examples === 0) return;
  const mean = (value: (evaluation: EvaluationRecord) => number): number =>
    evaluations.reduce((sum, evaluation) => sum + evaluation.examples * value(evaluation), 0) / examples;
  metrics.loss.set({ run }, mean(({ loss }) => loss)); // prettier-ignore
  const accuracies = evaluations.flatMap(({ accuracy }) => (accuracy === null ? [] : [accuracy]));
  if (accuracies.length === evaluations.length) {
    metrics.accuracy.set({ run }, mean(({ accuracy }) => accuracy ?? 0)); // prettier-ignore
    metrics.worstAccuracy.set({ run }, Math.min(...accuracies));
    metrics.accuracySpread.set({ run }, Math.max(...accuracies) - Math.min(...accuracies));
  }
  const best = bestVersion(state.scores ?? []);
  if (best !== undefined) metrics.bestVersion.set({ run }, best);
}
