import { elementCount } from '../tensor/dtype.js';
import type { NamedTensor, TensorInfo, TensorSource } from '../tensor/tensor.js';
import type { Kernels } from './kernels.js';
import { checkFinite, type SiloUpdate } from './module-data.js';
import { combineRobustly } from './robust/combine.js';
import type { AlignedTensor } from './robust/deviations.js';
import type { RobustPlan } from './robust/plan.js';

/** Heads and other parameters trained in full: no basis, nothing to align. */

/** A dense tensor of all silos, read one after the other. */
export function denseOf(
  { name, shape }: TensorInfo,
  previous: TensorSource,
  updates: readonly SiloUpdate[],
): AlignedTensor {
  return {
    length: elementCount(shape),
    silos: updates.length,
    get previous() {
      return previous.read(name);
    },
    aligned(i) {
      const { silo, tensors } = updates[i]!;
      const data = tensors.read(name);
      checkFinite(data, name, silo);
      return data;
    },
  };
}

export function combineDense(
  kernels: Kernels,
  { name, shape }: TensorInfo,
  tensor: AlignedTensor,
  weights: readonly number[],
  robust: RobustPlan | undefined,
): NamedTensor {
  if (robust) return { name, shape, data: Float32Array.from(combineRobustly(tensor, robust)) };
  const sum = new Float64Array(tensor.length);
  weights.forEach((weight, i) => kernels.add(sum, weight, tensor.aligned(i)));
  return { name, shape, data: Float32Array.from(sum) };
}
