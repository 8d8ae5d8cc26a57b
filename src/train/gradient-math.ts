/** Sums and norms over the gradients of one step; plain loops over float32. */

/** sum + weight · added, over the first one's memory. */
export function accumulate(
  sum: Float32Array[] | undefined,
  added: Float32Array[],
  weight: number,
): Float32Array[] {
  if (sum === undefined)
    return weight === 1 ? added : added.map((gradient) => gradient.map((value) => value * weight));
  sum.forEach((total, k) => {
    const more = added[k]!;
    for (let i = 0; i < total.length; i++) total[i]! += weight * more[i]!;
  });
  return sum;
}

/** Euclidean norm of all tensors together, summed in float64. */
export function globalNorm(tensors: readonly Float32Array[]): number {
  let sum = 0;
  for (const values of tensors) for (const value of values) sum += value * value;
  return Math.sqrt(sum);
}

/** Scales all so that their norm is at most `max`, as torch.nn.utils.clip_grad_norm_: by max / (norm + 1e-6) where that is below 1. */
export function clipToNorm(gradients: readonly Float32Array[], norm: number, max: number): void {
  const factor = max / (norm + 1e-6);
  if (factor >= 1) return;
  for (const gradient of gradients) for (let i = 0; i < gradient.length; i++) gradient[i]! *= factor;
}

/** FedProx (Li et al., arXiv 1812.06127, equation 2): the gradient of mu/2 · ‖w − anchor‖² is mu · (w − anchor). */
export function addProximal(
  gradient: Float32Array,
  values: Float32Array,
  anchor: Float32Array,
  mu: number,
): void {
  for (let i = 0; i < gradient.length; i++) gradient[i]! += mu * (values[i]! - anchor[i]!);
}
