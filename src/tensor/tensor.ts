import type { WireDType } from './dtype.js';

/** What is known of a tensor without its numbers. */
export interface TensorInfo {
  /** PEFT's name, e.g. `base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.weight`. */
  readonly name: string;
  readonly dtype: WireDType;
  /** Row-major. */
  readonly shape: readonly number[];
}

/** A named float32 tensor in memory, row-major. */
export interface NamedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Tensors that can be read one at a time, from memory or from a file. Reading the same name twice gives the same
 * numbers; nothing is kept between reads, so memory is bounded by the largest tensor.
 */
export interface TensorSource {
  /** In the order of the file, which is by name (code unit order). */
  readonly tensors: readonly TensorInfo[];
  /**
   * float32, whatever the dtype at rest. `into`: memory of that length that may be used for it, and need not be. Throws tensor_name for a
   * name that is not there.
   */
  read(name: string, into?: Float32Array): Float32Array;
}
