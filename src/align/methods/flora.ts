import { z } from 'zod';
import { defineMethod, type Merge, type ModuleView } from '../method.js';
import { stackedFactors } from '../stacked-factors.js';
import type { Random } from '../../random.js';

/** A drawn anew as PEFT does (Kaiming-uniform with a = √5: U(−1/√in, 1/√in)). */
function freshA(random: Random, r: number, inputs: number): Float32Array {
  const bound = 1 / Math.sqrt(inputs);
  return Float32Array.from({ length: r * inputs }, () => random.uniform(-bound, bound));
}

function stack({ silos, weights, factors, r, in: inputs, out }: ModuleView): Merge {
  return stackedFactors({ in: inputs, out, r }, silos, (i) => ({ weight: weights[i]!, factors: factors(i) }));
}

/**
 * FLoRA (Wang et al., arXiv 2409.05976): the factors of all silos one under the other, [p_1 B_1 … p_N B_N] and [A_1; …; A_N]: ΔW*
 * exactly, at rank N · r. Every silo adds it to its base; then A is drawn anew and B is 0.
 */
export const flora = defineMethod({
  name: 'flora',
  source: 'arXiv 2409.05976',
  options: z.strictObject({}),
  allows: { ownRank: 'rows', serverOptimizer: false, robust: false },
  instructions: () => ({ train: 'both', ownRank: 'rows', merge: true }),
  publish(module) {
    const { r, in: inputs, out, random } = module;
    const a = freshA(random.derive('restart'), r, inputs);
    return { factors: { r, in: inputs, out, a, bt: new Float32Array(r * out) }, merge: stack(module) };
  },
});
