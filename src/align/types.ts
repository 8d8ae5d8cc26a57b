import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

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
}

/** Per module, and in total (where a total is a root of summed squares). Errors are relative to ‖ΔW*‖_F; null where ΔW* = 0. */
export interface ModuleDiagnostics {
  readonly module: string;
  readonly aggregationError: number | null;
  /** What plain averaging of the same updates would have given. */
  readonly aggregationErrorFedit: number | null;
  /** ‖B̃Ã − ΔW*‖_F² of the published factors, without the scale alpha / r. */
  readonly squaredError: number;
  /** λ that was used, where the method has one. */
  readonly lambda?: number;
  /** ‖R_i − I‖_F by silo, in order of silo name; 0 where nothing was rotated. */
  readonly rotation?: readonly number[];
}

export interface RoundDiagnostics {
  readonly aggregationError: number | null;
  readonly aggregationErrorFedit: number | null;
  /** Sum over modules. */
  readonly squaredError: number;
  /** Names of the silos whose updates were combined, in order of name. */
  readonly silos: readonly string[];
  readonly modules: readonly ModuleDiagnostics[];
}

export interface AggregateResult {
  /** The new global adapter, in order of name; same names and shapes as `previous` unless the method says otherwise. */
  readonly tensors: readonly NamedTensor[];
  readonly diagnostics: RoundDiagnostics;
}

/** What a method asks of the silos in a round. */
export interface SiloInstructions {
  /** Which LoRA factors are trained this round; dense parameters (heads) always are. */
  readonly train: 'both' | 'a' | 'b';
}
