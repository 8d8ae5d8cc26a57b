import type { Kernels } from '../kernels.js';
import { deviations, type AlignedTensor } from './deviations.js';
import type { RobustPlan } from './plan.js';

/** One tensor of a round's updates combined as the plan says, published + what the silos agree on; in float64. */
export function combineRobustly(tensor: AlignedTensor, plan: RobustPlan): Float64Array {
  const result = Float64Array.from(tensor.previous);
  for (const { from, width, deltas } of deviations(tensor)) {
    const combined = plan.pick ? pickEach(deltas, width, plan, plan.pick) : weightedSum(deltas, width, plan);
    for (let at = 0; at < width; at++) result[from + at]! += combined[at]!;
  }
  return result;
}

function weightedSum(deltas: Float64Array, width: number, { weights, scales }: RobustPlan): Float64Array {
  const sum = new Float64Array(width);
  weights.forEach((weight, silo) => {
    if (weight === 0) return;
    for (let at = 0; at < width; at++) sum[at]! += weight * scales[silo]! * deltas[silo * width + at]!;
  });
  return sum;
}

function pickEach(
  deltas: Float64Array,
  width: number,
  { weights, scales }: RobustPlan,
  pick: (rising: Float64Array) => number,
): Float64Array {
  const voters = weights.flatMap((weight, i) => (weight > 0 ? [i] : []));
  const column = new Float64Array(voters.length);
  return Float64Array.from({ length: width }, (_, at) => {
    voters.forEach((silo, i) => (column[i] = scales[silo]! * deltas[silo * width + at]!));
    return pick(column.sort());
  });
}

/** Adds one tensor's share of ⟨Δ_i, Δ_j⟩ (silos × silos), of all pairs or only ‖Δ_i‖². */
export function addProducts(
  kernels: Kernels,
  products: Float64Array,
  tensor: AlignedTensor,
  needed: 'pairs' | 'norms',
): void {
  const { silos } = tensor;
  for (const { width, deltas } of deviations(tensor)) {
    const rows = Float32Array.from(deltas);
    if (needed === 'pairs')
      kernels.gram(rows, silos, rows, silos, width).forEach((value, at) => (products[at]! += value));
    else
      for (let i = 0; i < silos; i++) {
        const row = rows.subarray(i * width, (i + 1) * width);
        products[i * silos + i]! += kernels.gram(row, 1, row, 1, width)[0]!;
      }
  }
}
