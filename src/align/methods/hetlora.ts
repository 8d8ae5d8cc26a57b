import { z } from 'zod';
import { defineMethod, plainRotations, type ModuleView } from '../method.js';
import { productOverlap } from '../row-factors.js';

const optionsSchema = z.strictObject({
  weights: z
    .enum(['run', 'norm'])
    .default('run')
    .describe(
      "`run`: the run's weights p_i; `norm`: in proportion to ‖B_i A_i‖, per module (the paper's sparsity-weighted aggregation)",
    ),
});

/** ‖B_i A_i‖_F, normalised; the run's weights where all are zero. A silo without weight in the run keeps none. */
function normWeights({ kernels, silos, weights, factors }: ModuleView): readonly number[] {
  const norms: number[] = [];
  for (let i = 0; i < silos; i++) {
    const own = factors(i);
    norms.push(weights[i]! > 0 ? Math.sqrt(Math.max(0, productOverlap(kernels, own, own))) : 0);
  }
  const sum = norms.reduce((total, norm) => total + norm, 0);
  return sum > 0 ? norms.map((norm) => norm / sum) : weights;
}

/**
 * HetLoRA (Cho et al., arXiv 2401.06432): silos have ranks of their own; the factors of the small are filled up with zeros to the
 * largest rank, averaged, and cut to their first rows and columns again for the small.
 */
export const hetlora = defineMethod({
  name: 'hetlora',
  source: 'arXiv 2401.06432',
  options: optionsSchema,
  allows: { ownRank: 'rows', stale: 'plain', serverOptimizer: true, robust: true },
  instructions: () => ({ train: 'both', ownRank: 'rows' }),
  align(module, { weights }) {
    const rotations = plainRotations(module.silos);
    return weights === 'norm' ? { rotations, weights: normWeights(module) } : { rotations };
  },
});
