import { z } from 'zod';
import { defineMethod, type ModuleView } from '../method.js';
import { largestNorm } from '../product-sum.js';
import { norm } from '../rotate.js';
import type { RowFactors } from '../row-factors.js';
import { identity, symmetricEigen, type SmallMatrix } from '../small-matrix.js';

const optionsSchema = z.strictObject({
  steps: z.int().min(0).max(1000).default(10).describe('gradient steps on the residual'),
  penalty: z
    .number()
    .min(0)
    .max(1000)
    .default(0.01)
    .describe('how much ΔB is held back: μ / 2 ‖ΔB‖², μ being this share of the largest eigenvalue of Ā Āᵀ'),
});

type Options = z.output<typeof optionsSchema>;

/** (B̄Ā − ΔW*)ᵀ seen from Āᵀ, negative: Ā (ΔW* − B̄Ā)ᵀ, r × out. The direction of steepest descent at ΔB = 0. */
function descent({ kernels, silos, weights, factors }: ModuleView, mean: RowFactors): Float64Array {
  const { r, in: inputs, out } = mean;
  const result = new Float64Array(r * out);
  const add = (weight: number, { a, bt }: RowFactors): void =>
    kernels.addProduct(result, weight, kernels.gram(a, r, mean.a, r, inputs), r, bt, r, out);
  for (let i = 0; i < silos; i++) add(weights[i]!, factors(i));
  add(-1, mean);
  return result;
}

/**
 * Φ with ΔBᵀ = Φ D after so many gradient steps of length 1 / (L + μ) on ½ ‖(B̄ + ΔB) Ā − ΔW*‖² + μ/2 ‖ΔB‖², D the descent above:
 * every step acts on the eigenvectors of H = Ā Āᵀ alone, φ ← φ + (1 − (h + μ) φ) / (L + μ).
 */
function steppedInverse(h: SmallMatrix, r: number, { steps, penalty }: Options): SmallMatrix {
  const { values, vectors } = symmetricEigen(h, r);
  const largest = Math.max(0, values[0]!);
  if (largest === 0 || steps === 0) return identity(r).fill(0);
  const phi = values.map((value) => {
    const rate = (Math.max(0, value) + penalty * largest) / (largest * (1 + penalty));
    const done = 1 - (1 - rate) ** steps;
    return rate > 0 ? done / (rate * largest * (1 + penalty)) : steps / (largest * (1 + penalty));
  });
  return Float64Array.from({ length: r * r }, (_, at) => {
    const [i, j] = [Math.floor(at / r), at % r];
    return phi.reduce((sum, value, l) => sum + vectors[i * r + l]! * value * vectors[j * r + l]!, 0);
  });
}

/**
 * LoRA-FAIR (Bian et al., arXiv 2411.14961): the averaged B is corrected by a few gradient steps on the residual, so that
 * (B̄ + ΔB) Ā comes nearer to ΔW*; Ā stays. ΔB is kept no longer than the longest factor that came in: shortened, it still lowers the error.
 */
export const loraFair = defineMethod<Options>({
  name: 'lora-fair',
  source: 'arXiv 2411.14961',
  options: optionsSchema,
  allows: { stale: 'plain', serverOptimizer: true, robust: false },
  instructions: () => ({ train: 'both' }),
  publish(module, mean, options) {
    const { kernels, r, in: inputs, out } = module;
    const phi = steppedInverse(kernels.gram(mean.a, r, mean.a, r, inputs), r, options);
    const d = descent(module, mean);
    const delta = new Float64Array(r * out);
    for (let i = 0; i < r; i++)
      for (let j = 0; j < r; j++)
        for (let l = 0; l < out; l++) delta[i * out + l]! += phi[i * r + j]! * d[j * out + l]!;
    const limit = largestNorm(module);
    const length = norm(delta);
    const scale = length > limit ? limit / length : 1;
    return { factors: { ...mean, bt: mean.bt.map((value, i) => value + scale * delta[i]!) } };
  },
});
