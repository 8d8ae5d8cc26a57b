/** What the coordinator's HTTP API says of a run's rounds (docs/http-api.md); times, sizes and nulls as in types.ts. */

/** A published round, without what grows with the number of silos and modules. */
export interface RoundPoint {
  readonly round: number;
  readonly startedMs: number;
  readonly publishedMs: number;
  readonly updates: number;
  readonly failures: number;
  readonly examples: number;
  readonly bytes: number;
  /** Mean of the silos' training losses, weighted by examples. */
  readonly trainLoss: number | null;
  /**
   * What the errors' nulls mean: `pending`, not measured yet; `done`, there is nothing to relate to; `failed`, measuring failed;
   * `none`, nothing was combined (a rollback).
   */
  readonly diagnosis: 'pending' | 'done' | 'failed' | 'none';
  readonly aggregationError: number | null;
  /** What plain averaging of the same updates would have given. */
  readonly aggregationErrorFedit: number | null;
  /** What the best factors of this rank would have given. */
  readonly aggregationErrorBound: number | null;
  readonly misalignment: number | null;
  /** Set where no round was run but an old version published again. */
  readonly rollbackOf: number | null;
}

export interface EvaluationPoint {
  readonly version: number;
  readonly silo: string;
  readonly examples: number;
  readonly loss: number | null;
  readonly accuracy: number | null;
}

export interface RunSeries {
  readonly rounds: readonly RoundPoint[];
  readonly evaluations: readonly EvaluationPoint[];
}

export interface RoundUpdate {
  readonly silo: string;
  readonly examples: number;
  readonly loss: number | null;
  readonly steps: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly sha256: string;
  /** How many versions old it was when it counted: 0 where it began from the newest. */
  readonly staleness: number;
  /** What of its step counted for its age, 0 to 1 (`rounds.staleness.weight`). */
  readonly stepWeight: number;
}

export interface RoundFailure {
  readonly silo: string;
  readonly code: string;
  readonly message: string;
  readonly atMs: number;
}

/** One module of a round. Lists by silo are in the order of RoundDetail.silos. */
export interface RoundModule {
  readonly module: string;
  readonly aggregationError: number | null;
  readonly aggregationErrorFedit: number | null;
  readonly aggregationErrorBound: number | null;
  /** 0 to 1 by silo: how far its basis is turned from the reference's. */
  readonly misalignment: readonly (number | null)[];
}

export interface RoundDetail {
  readonly point: RoundPoint;
  readonly silos: readonly string[];
  readonly updates: readonly RoundUpdate[];
  readonly failures: readonly RoundFailure[];
  readonly modules: readonly RoundModule[];
}
