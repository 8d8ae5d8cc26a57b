import type { RunSpec } from '../../run-spec.js';

/** What one silo or evaluator said of a version. */
export interface Score {
  readonly examples: number;
  /** Mean; nats, or squared for a regression. */
  readonly loss: number;
  /** 0 to 1; null where the task has none. */
  readonly accuracy: number | null;
}

/** All that was said of a version so far: sums over examples. */
export interface VersionScore {
  readonly version: number;
  readonly examples: number;
  /** Σ examples · accuracy, or −Σ examples · loss where there is no accuracy: the more the better. */
  readonly sum: number;
}

/** With one more score of a version. */
export function withScore(
  scores: readonly VersionScore[],
  version: number,
  { examples, loss, accuracy }: Score,
): readonly VersionScore[] {
  const value = accuracy ?? -loss;
  if (!Number.isFinite(value)) return scores;
  const known = scores.find((entry) => entry.version === version) ?? { version, examples: 0, sum: 0 };
  const added = { version, examples: known.examples + examples, sum: known.sum + examples * value };
  return [...scores.filter((entry) => entry.version !== version), added].sort(
    (x, y) => x.version - y.version,
  );
}

const valueOf = ({ sum, examples }: VersionScore): number => sum / examples;

/** The first version that none after it beats by more than `minDelta`, of those that were scored; undefined where none was. */
export function bestVersion(scores: readonly VersionScore[], minDelta = 0): number | undefined {
  return scores.reduce<VersionScore | undefined>(
    (best, score) => (best === undefined || valueOf(score) > valueOf(best) + minDelta ? score : best),
    undefined,
  )?.version;
}

/** Why the run ends before its last round; undefined where it goes on. */
export function earlyStop(
  scores: readonly VersionScore[],
  stop: RunSpec['evaluation']['stop'],
): string | undefined {
  if (stop === undefined) return undefined;
  const best = bestVersion(scores, stop.minDelta);
  const since = best === undefined ? 0 : scores.filter(({ version }) => version > best).length;
  if (best === undefined || since < stop.patience) return undefined;
  return `stopped early: version ${best} is the best, and ${since} scored version(s) after it were no better`;
}
