import type { NamedTensor } from '../tensor/tensor.js';
import type { OptimizerSpec } from '../run-spec.js';
import type { AdaptableModule, DenseModule } from './modules.js';

/** An int64 input of the model, row-major batch × sequence. */
export interface IntTensor {
  readonly dims: readonly number[];
  readonly data: BigInt64Array;
}

export interface Batch {
  /** By name of the graph's input, e.g. input_ids, attention_mask, token_type_ids; batch × sequence. */
  readonly inputs: Readonly<Record<string, IntTensor>>;
  /** Class index per row (classification) or per position (language models); −100 is left out of the loss. */
  readonly labels: IntTensor;
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
  /** intra-op threads; default the machine's cores. Results are repeatable for the same number only. */
  readonly threads?: number;
  /** False where several processes share the cores. Default false. */
  readonly spinning?: boolean;
}

export interface StepResult {
  /** Mean loss over the batch's labels that count, before the step; nats. */
  readonly loss: number;
  /** Euclidean norm of all gradients, before clipping. */
  readonly gradientNorm: number;
}

export interface EvaluationResult {
  /** Sum over labels that count, nats; divide by `count`. */
  readonly lossSum: number;
  readonly count: number;
  readonly correct: number;
  /** Row-major, batch × classes (or batch × sequence × vocabulary). */
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
  step(batches: readonly Batch[]): Promise<StepResult>;
  /** Loss and gradients without a step, for checks. */
  gradients(batch: Batch): Promise<{ loss: number; gradients: NamedTensor[] }>;
  evaluate(batch: Batch): Promise<EvaluationResult>;
  close(): Promise<void>;
}
