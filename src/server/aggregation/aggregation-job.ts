import type { RobustSpec, ServerOptimizerSpec } from '../../run-spec.js';

/** The updates of a round, and what is made of them: everything by path, so that nothing large crosses threads. */
export interface RoundJob {
  readonly method: string;
  readonly options: unknown;
  readonly robust?: RobustSpec | undefined;
  readonly round: number;
  readonly seed: number;
  /** The adapter that the silos started from. */
  readonly previousPath: string;
  readonly updates: readonly JobUpdate[];
}

/** A round to be combined. */
export interface AggregationJob extends RoundJob {
  readonly serverOptimizer?: ServerOptimizerSpec | undefined;
  /** CombineResult.state of the version that the round began with, where it has one. */
  readonly state?: JobFile | undefined;
  /** Where the new adapter is written; durable when the worker answers. */
  readonly outputPath: string;
  /** The same for what silos merge, and for the state that the next round needs, where the method has them. */
  readonly mergeOutputPath: string;
  readonly stateOutputPath: string;
}

export interface JobFile {
  readonly path: string;
  /** Of the file, hex: as it was when it was stored. */
  readonly sha256: string;
}

export interface JobUpdate extends JobFile {
  readonly silo: string;
  readonly weight: number;
  /** It is known to be what it was: it need not be read to verify it. */
  readonly untouched?: boolean | undefined;
  /** The adapter that it began from, where that is not `previousPath`, and s(τ): how much of its step counts. */
  readonly stale?: (JobFile & { readonly scale: number }) | undefined;
}

export interface OutputFile {
  /** Hex. */
  readonly sha256: string;
  readonly bytes: number;
}

export interface AggregationOutcome extends OutputFile {
  /** What silos add to their base (flora, fedex). */
  readonly merge?: OutputFile;
  /** What the next round needs again (moments of a server optimizer). */
  readonly state?: OutputFile;
  /** Euclidean norm of all values of the new adapter. */
  readonly norm: number;
}

/**
 * What a worker does of an aggregation. A round that has parts: everybody takes one after the other (`next`, the number of the next one, in
 * shared memory), and when all are written one makes the file durable and one finds its name. Another round: `whole`.
 */
export type AggregationTask = { readonly job: AggregationJob } & (
  | { readonly what: 'parts'; readonly verify: boolean; readonly next: SharedArrayBuffer }
  | { readonly what: 'sync' | 'name' | 'verify' }
  | { readonly what: 'whole'; readonly verify: boolean }
);

/** ‖X‖² of every part that a worker combined, by number. */
export type PartSquares = readonly (readonly [part: number, square: number])[];
