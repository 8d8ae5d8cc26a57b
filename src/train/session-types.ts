import type { NamedTensor } from '../tensor/tensor.js';
import type { OptimizerSpec } from '../run-spec.js';
import type { LossKind } from './loss.js';
import type { AdaptableModule, DenseModule } from './modules.js';

/** An int64 input of the model, row-major batch × sequence. */
export interface IntTensor {
  readonly dims: readonly number[];
  readonly data: BigInt64Array;
}

/** Targets of a regression, row-major; NaN is left out of the loss. */
export interface FloatTensor {
  readonly dims: readonly number[];
  readonly data: Float32Array;
}

export interface Batch {
  /** By name of the graph's input, e.g. input_ids, attention_mask, token_type_ids; batch × sequence. */
  readonly inputs: Readonly<Record<string, IntTensor>>;
  /**
   * Class index per row (classification) or per position (token classification, language models); −100 is left out of the loss.
   * Numbers where the session's loss is mean-squared-error.
   */
  readonly labels: IntTensor | FloatTensor;
}

export interface LoraSite {
  readonly module: AdaptableModule;
  readonly rank: number;
  /** alpha / r, or alpha / √r. */
  readonly scale: number;
}

export interface SessionOptions {
  /** Folder that holds the model file and its external data. */
  readonly folder: string;
  /** Default model.onnx. */
  readonly file?: string;
  readonly lora: readonly LoraSite[];
  readonly dense: readonly DenseModule[];
  /** Which LoRA factors get gradients; default both. Dense modules always do. */
  readonly train?: 'both' | 'a' | 'b';
  /** Default cross-entropy. */
  readonly loss?: LossKind;
  /** Chance that an entry of a LoRA module's input is zeroed in a step, 0 (default) to below 1; to 1/65536. */
  readonly dropout?: number;
  /**
   * Keeps what comes out of the layers below the first adapted one, by example, and does not compute it again. Default: it is computed
   * in every step. Results agree to rounding.
   */
  readonly prefixCache?: PrefixCacheOptions;
  /** intra-op threads; default the machine's cores. Results are repeatable for the same number only. */
  readonly threads?: number;
  /** False where several processes share the cores. Default false. */
  readonly spinning?: boolean;
  /**
   * Keeps a copy of the frozen matrices in memory in the form that products read, one for each direction: steps are about a sixth faster.
   * Default: where they take at most 128 MiB of float32 together (MiniLM, not BERT-base). The two settings agree to rounding.
   */
  readonly prepacking?: boolean;
}

export interface PrefixCacheOptions {
  /** Bytes of activations kept in memory. */
  readonly memoryBytes: number;
  /** Bytes of activations kept in a file when the memory is full; default 0. */
  readonly diskBytes?: number;
  /** Folder of that file, which is removed at the end; default the system's for temporary files. */
  readonly folder?: string;
  /**
   * What is kept: `steps` (default) whatever a step computes; `ahead` only what fillPrefix was given, so that numbers do not depend, in
   * their last bits, on what was trained before.
   */
  readonly fill?: 'steps' | 'ahead';
  /** Part of a step's weight products that must be saved, or nothing is kept; 0 to 1, default 0.15. */
  readonly minShare?: number;
}

/** What one step does differently from the optimizer's specification. */
export interface StepOptions {
  /** Default the optimizer's own; schedules give one for each step. */
  readonly learningRate?: number;
  /** The norm of all gradients together is scaled down to this; default no limit. */
  readonly maxGradientNorm?: number;
  /** FedProx: mu/2 · ‖w − w₀‖² is added to the loss that is minimised (not to the one reported), w₀ as last loaded. Default 0. */
  readonly proximal?: number;
  /** What this step's dropout masks derive from; needed where the session has dropout. */
  readonly dropoutSeed?: readonly (string | number)[];
}

/** Everything that training needs to go on exactly where it was; plain data. */
export interface SessionState {
  readonly parameters: readonly NamedTensor[];
  /** w₀ of FedProx: the parameters as they were loaded. */
  readonly anchor: readonly NamedTensor[];
  /** By parameter, in order of name; absent before resetOptimizer. */
  readonly optimizer?: {
    readonly spec: OptimizerSpec;
    readonly states: readonly { readonly step: number; readonly slots: readonly Float32Array[] }[];
  };
}

export interface StepResult {
  /** Mean loss over the batch's labels that count, before the step; nats. */
  readonly loss: number;
  /** Euclidean norm of all gradients, FedProx's share included, before clipping. */
  readonly gradientNorm: number;
}

export interface EvaluateOptions {
  /** Default true. */
  readonly logits?: boolean;
}

export interface EvaluationResult {
  /** Sum over labels that count, nats; divide by `count`. */
  readonly lossSum: number;
  readonly count: number;
  /** Labels that are the most likely class; 0 for a regression. */
  readonly correct: number;
  /** The most likely class for each label, in their order; empty for a regression. */
  readonly predicted: BigInt64Array;
  /** Row-major, batch × classes (or batch × sequence × vocabulary); empty where they were not asked for. */
  readonly logits: { readonly dims: readonly number[]; readonly data: Float32Array };
}

/** A model with LoRA factors and heads as parameters, in a worker thread of its own (run() blocks its thread). */
export interface TrainSession {
  /** In order of name: PEFT's names and shapes. */
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[] }[];
  /** Sets every parameter; tensor_name or tensor_shape where they do not fit exactly. */
  load(tensors: readonly NamedTensor[]): Promise<void>;
  read(): Promise<NamedTensor[]>;
  /** Chooses the optimizer and forgets its state. */
  resetOptimizer(optimizer: OptimizerSpec): Promise<void>;
  /** One optimizer step; several batches are accumulated into one gradient, weighted by their counted labels. */
  step(batches: readonly Batch[], options?: StepOptions): Promise<StepResult>;
  /** Keeps the frozen layers' results for a batch; its labels do not matter. False where nothing is cached, or no room is left. */
  fillPrefix(batch: Batch): Promise<boolean>;
  /** For exact resume: after restoreState the next steps give the very numbers that they would have given. */
  saveState(): Promise<SessionState>;
  restoreState(state: SessionState): Promise<void>;
  /** Loss and gradients without a step and without dropout, for checks. */
  gradients(batch: Batch): Promise<{ loss: number; gradients: NamedTensor[] }>;
  /** Without dropout. `logits: false` saves the copy, which is large for language models. */
  evaluate(batch: Batch, options?: EvaluateOptions): Promise<EvaluationResult>;
  close(): Promise<void>;
}
