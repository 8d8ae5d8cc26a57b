import type { RobustSpec, ServerOptimizerSpec } from '../run-spec.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

import type { Staleness } from './staleness.js';

export type { SiloInstructions } from './instructions.js';

/** One adapted module's LoRA factors: A (r × in) and B (out × r), row-major float32; the update is (alpha / r) · B · A. */
export interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
  readonly r: number;
  readonly in: number;
  readonly out: number;
}

/** One silo's update as the aggregation sees it. */
export interface WeightedUpdate {
  /** Name of the silo; updates are combined in order of this name, never in order of arrival. */
  readonly silo: string;
  /** p_i before normalisation: examples, or 1. Finite, ≥ 0; at least one > 0. */
  readonly weight: number;
  readonly tensors: TensorSource;
  /** Where the silo did not begin from `previous`. */
  readonly stale?: Staleness | undefined;
}

export interface AggregateInput {
  /** A name in the table of methods. */
  readonly method: string;
  /** Options as the run gave them; validated against the method's schema (option_invalid). */
  readonly options: unknown;
  /** From 1. */
  readonly round: number;
  /** The run's seed: everything random (sketches) derives from it and the round. */
  readonly seed: number;
  /** The adapter that the silos started from: the reference (Ā, B̄). */
  readonly previous: TensorSource;
  readonly updates: readonly WeightedUpdate[];
  /** A step of the server's own after the method (server-optimizer.ts); absent: none. */
  readonly serverOptimizer?: ServerOptimizerSpec | undefined;
  /** How aligned updates are combined where some silos may be faulty or hostile (robust/); absent: by the weighted mean. */
  readonly robust?: RobustSpec | undefined;
  /** CombineResult.state of the version that the round started from; absent in the first round, or where there was none. */
  readonly state?: TensorSource | undefined;
}

/**
 * Of one module. Errors are relative to ‖ΔW*‖_F, of the factors before a server optimizer's step, without the scale alpha / r;
 * null where ΔW* = 0 or where the server cannot know it (silos keep a factor). Exact while N · r ≤ 256, else from a sketch.
 */
export interface ModuleDiagnostics {
  readonly module: string;
  readonly aggregationError: number | null;
  /** What plain averaging of the same updates would have given. */
  readonly aggregationErrorFedit: number | null;
  /** What the best factors of this rank would have given (Eckart–Young): the lower bound of all methods of rank r. */
  readonly aggregationErrorBound: number | null;
  /** ‖B̃Ã − ΔW*‖_F². 0 where it is not known. */
  readonly squaredError: number;
  /** λ that was used, where the method has one. */
  readonly lambda?: number;
  /** ‖R_i − I‖_F by silo, in order of silo name; 0 where nothing was rotated (or where the silo did it). */
  readonly rotation?: readonly number[];
  /** By silo, in order of silo name. */
  readonly silos: readonly SiloDiagnostics[];
}

/** One silo's update of one module, against the factors (Ā, B̄) that the round started from. */
export interface SiloDiagnostics {
  /** How far the update's basis is turned from the reference's: 0 to 1, sin(θ/2) where all of it is turned by θ. */
  readonly misalignment: number;
  /** Largest principal angle between the row spaces of A_i and Ā, in radians; null where one is zero. */
  readonly angleA: number | null;
  /** The same for the column spaces of B_i and B̄. */
  readonly angleB: number | null;
  /** ‖B_i A_i − B̄ Ā‖_F; null where the server does not know both factors. */
  readonly updateNorm: number | null;
  /** Cosine between B_i A_i − B̄ Ā and ΔW* − B̄ Ā; beyond N · r = 256, with the best rank-r approximation of ΔW*. */
  readonly cosineToMean: number | null;
}

/** In total: roots of summed squares over the modules. */
export interface RoundDiagnostics {
  readonly aggregationError: number | null;
  readonly aggregationErrorFedit: number | null;
  readonly aggregationErrorBound: number | null;
  /** Mean over modules and silos. */
  readonly misalignment: number;
  /** Sum over modules. */
  readonly squaredError: number;
  /** Names of the silos whose updates were combined, in order of name. */
  readonly silos: readonly string[];
  readonly modules: readonly ModuleDiagnostics[];
}

export interface CombineResult {
  /** The new global adapter, in order of name; same names and shapes as `previous` unless the method says otherwise. */
  readonly tensors: readonly NamedTensor[];
  /**
   * What silos add to their base weights, where the method asks for it: the same names as the adapter's factors, of another rank.
   * Read one tensor at a time, from the updates: keep them open until it is written.
   */
  readonly merge?: TensorSource;
  /** What the next round needs again (moments of a server optimizer); the server keeps it with the version. */
  readonly state?: readonly NamedTensor[];
}

export interface AggregateResult extends CombineResult {
  readonly diagnostics: RoundDiagnostics;
}
