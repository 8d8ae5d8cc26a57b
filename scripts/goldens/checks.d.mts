import type { NamedTensor } from '../../src/tensor/tensor.js';
import type { Batch, TrainSession } from '../../src/train/session-types.js';
import type { Trainer } from '../../src/train/trainer.js';

/** One comparison with PyTorch + PEFT. */
export interface GoldenCheck {
  readonly check: string;
  readonly error: number;
  readonly tolerance: number;
  readonly ok: boolean;
}

/** Scalars of expected.json that belong to an adapter. */
export interface GoldenLosses {
  readonly loss_base?: number;
  readonly loss_lora: number;
  readonly adamw: { readonly losses: readonly number[] };
  readonly sgd: { readonly losses: readonly number[] };
}

export interface Golden {
  /** The adapter's tensors. */
  readonly start: readonly NamedTensor[];
  readonly batch: Batch;
  /** The reference's tensors by name. */
  readonly expected: ReadonlyMap<string, NamedTensor>;
  readonly losses: GoldenLosses;
  /** Whether logits.base is compared. */
  readonly base: boolean;
}

export function checkGolden(trainer: Trainer | TrainSession, golden: Golden): Promise<GoldenCheck[]>;
