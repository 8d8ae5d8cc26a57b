import type { EvaluationPoint, RoundPoint } from '../../api/rounds.js';
import type { RunSummary, SiloTask, StreamEvents } from '../../api/types.js';

/** What a page knows, after it was told what is new. Pure. */

export interface RunTasks {
  readonly run: string;
  readonly round: number;
  readonly tasks: readonly SiloTask[];
}

export interface RunPoints {
  readonly run: string;
  readonly rounds: readonly RoundPoint[];
  readonly evaluations: readonly EvaluationPoint[];
}

/** In order of creation, newest first. */
export function mergeRuns(
  known: readonly RunSummary[],
  changed: readonly RunSummary[],
): readonly RunSummary[] {
  const runs = new Map([...known, ...changed].map((run) => [run.id, run]));
  return [...runs.values()].sort((x, y) => y.createdMs - x.createdMs || (x.id < y.id ? 1 : -1));
}

/** In order of the silos' names. */
export function mergeTasks(known: RunTasks | null, news: StreamEvents['tasks']): RunTasks {
  const { run, round, changed, whole } = news;
  if (whole || known?.run !== run || known.round !== round) return { run, round, tasks: changed };
  const fresh = new Map(changed.map((task) => [task.silo, task]));
  const kept = known.tasks.map((task) => {
    const replaced = fresh.get(task.silo);
    fresh.delete(task.silo);
    return replaced ?? task;
  });
  if (fresh.size === 0) return { run, round, tasks: kept };
  const tasks = [...kept, ...fresh.values()].sort((x, y) => (x.silo < y.silo ? -1 : 1));
  return { run, round, tasks };
}

/** Rounds by number, evaluations by version and evaluator: the last word counts, so a round that has been measured since is told again. */
export function mergeSeries(
  known: RunPoints | null,
  news: RunPoints & Pick<StreamEvents['series'], 'whole'>,
): RunPoints {
  const { run, whole } = news;
  if (whole || known?.run !== run) {
    const { rounds, evaluations } = news;
    return { run, rounds, evaluations };
  }
  const rounds = new Map([...known.rounds, ...news.rounds].map((point) => [point.round, point]));
  const evaluations = new Map(
    [...known.evaluations, ...news.evaluations].map((entry) => [`${entry.version}/${entry.silo}`, entry]),
  );
  return {
    run,
    rounds: [...rounds.values()].sort((x, y) => x.round - y.round),
    evaluations: [...evaluations.values()].sort((x, y) => x.version - y.version),
  };
}

export interface Score {
  readonly version: number;
  readonly accuracy: number | null;
  readonly loss: number | null;
}

/** Scores by version, over evaluators weighted by their examples. */
export function scoresByVersion(evaluations: readonly EvaluationPoint[]): readonly Score[] {
  const versions = new Map<number, EvaluationPoint[]>();
  for (const entry of evaluations)
    versions.set(entry.version, [...(versions.get(entry.version) ?? []), entry]);
  return [...versions]
    .sort(([x], [y]) => x - y)
    .map(([version, entries]) => ({
      version,
      accuracy: weighted(entries, ({ accuracy }) => accuracy),
      loss: weighted(entries, ({ loss }) => loss),
    }));
}

function weighted(
  entries: readonly EvaluationPoint[],
  value: (entry: EvaluationPoint) => number | null,
): number | null {
  let sum = 0;
  let weight = 0;
  for (const entry of entries) {
    const known = value(entry);
    if (known === null) continue;
    const examples = Math.max(1, entry.examples);
    sum += known * examples;
    weight += examples;
  }
  return weight === 0 ? null : sum / weight;
}
