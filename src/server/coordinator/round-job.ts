import type { JobUpdate, RoundJob } from '../aggregation/aggregation-job.js';
import { stalenessScale } from '../round/staleness.js';
import type { TensorSpool } from '../spool/tensor-spool.js';
import { publishedAdapter } from './assignments.js';
import type { RunActor } from './run-actor.js';

/** An update that a round counts. */
export interface Counted {
  readonly silo: string;
  readonly sha256: string;
  readonly examples: number;
  /** The version that it began from. */
  readonly baseVersion: number;
}

/** What a round is combined from, or measured by: the same whether the round has just closed or was published long ago. */
export function roundJob(
  run: RunActor,
  round: number,
  counted: readonly Counted[],
  spool: TensorSpool,
): RoundJob {
  const { method, options, weighting, robust } = run.spec.aggregation;
  return {
    method,
    options,
    robust,
    round,
    seed: run.spec.seed,
    previousPath: spool.pathOf(run.adapters.get(round - 1)?.sha256 ?? ''),
    updates: counted.map((update) => ({
      silo: update.silo,
      weight: weighting === 'uniform' ? 1 : update.examples,
      path: spool.pathOf(update.sha256),
      sha256: update.sha256,
      ...staleOf(run, round, update, spool),
    })),
  };
}

/** The version that an update began from, where it is not the newest. */
function staleOf(
  run: RunActor,
  round: number,
  { baseVersion }: Counted,
  spool: TensorSpool,
): Pick<JobUpdate, 'stale'> {
  const staleness = round - 1 - baseVersion;
  if (staleness === 0) return {};
  const { sha256 } = publishedAdapter(run, baseVersion);
  const scale = stalenessScale(run.spec.rounds.staleness, staleness);
  return { stale: { path: spool.pathOf(sha256), sha256, scale } };
}
