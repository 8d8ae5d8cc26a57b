import { FedrotError } from '../errors.js';
import type { LoraSite } from '../train/session-types.js';

/** A module's factors: A r × in, B out × r. */
export interface Factors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/**
 * W + scale · B A (Hu et al., arXiv 2106.09685, equation 3), in place: `matrix` holds the module's weight as the graph has it,
 * in × out or out × in, possibly with other modules beside it. Sums are in float64 and rounded once.
 */
export function addLora(
  matrix: Float32Array,
  dims: readonly number[],
  { module, rank, scale }: Pick<LoraSite, 'module' | 'rank' | 'scale'>,
  { a, b }: Factors,
): void {
  const { in: inner, out, weight } = module;
  const first = weight.firstOutput ?? 0;
  const [rows = 0, columns = 0] = dims;
  const inOut = weight.layout === 'in_out';
  const [inputs, outputs] = inOut ? [rows, columns] : [columns, rows];
  if (inputs !== inner || first + out > outputs)
    throw new FedrotError(
      'tensor_shape',
      `module ${module.name}: its weight lies in a matrix of ${inputs} in and ${outputs} out, which does not hold ${inner} in and ${out} out from ${first}`,
    );
  const delta = new Float64Array(inner);
  for (let o = 0; o < out; o++) {
    delta.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * (b[o * rank + k] ?? 0);
      if (factor === 0) continue;
      for (let i = 0; i < inner; i++) delta[i]! += factor * (a[k * inner + i] ?? 0);
    }
    const begin = inOut ? first + o : (first + o) * columns;
    const step = inOut ? columns : 1;
    for (let i = 0; i < inner; i++) matrix[begin + i * step]! += delta[i]!;
  }
}
