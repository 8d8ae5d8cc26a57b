import { resizeRows } from '../../align/fit-rank.js';
import { adapterLayout } from '../../align/layout.js';
import { sumAdapters } from '../../align/sum-adapters.js';
import { loraScale, type LoraSpec } from '../../run-spec.js';
import { memorySource, tensorInfos } from '../../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../../tensor/tensor.js';

export interface SummedAdapter {
  readonly tensors: readonly NamedTensor[];
  /** With the rank that came out, and the alpha that keeps the run's scale s. */
  readonly settings: LoraSpec;
}

/**
 * A version of flora or fedex as one adapter on the untouched base: the sum of all that was merged and of the adapter itself, stacked and
 * exact, or the best approximation of `rank`. Every module has one rank, as PEFT wants it: smaller ones are filled up with zeros.
 */
export function summedAdapter(
  merges: readonly TensorSource[],
  adapter: TensorSource,
  lora: LoraSpec,
  rank?: number,
): SummedAdapter {
  const summed = sumAdapters([...merges, adapter], rank);
  const source = memorySource(summed);
  const { modules } = adapterLayout(tensorInfos(summed));
  const largest = Math.max(...modules.map(({ r }) => r));
  const filled = new Map<string, NamedTensor>();
  for (const { a, b, r, in: inputs, out } of modules) {
    const factors = resizeRows({ r, in: inputs, out, a: source.read(a), b: source.read(b) }, largest);
    filled.set(a, { name: a, shape: [largest, inputs], data: factors.a });
    filled.set(b, { name: b, shape: [out, largest], data: factors.b });
  }
  const s = loraScale(lora);
  return {
    tensors: summed.map((tensor) => filled.get(tensor.name) ?? tensor),
    settings: { ...lora, rank: largest, alpha: s * (lora.rsLora ? Math.sqrt(largest) : largest) },
  };
}
