import { rotationOfBoth } from './both-factors.js';
import type { ModuleView, Rotations } from './method.js';
import type { RowFactors } from './row-factors.js';
import type { SmallMatrix } from './small-matrix.js';

/** Rounds of the iteration at most; it is done when no rotation moves by more than TOLERANCE. */
const MOST_ROUNDS = 50;
const TOLERANCE = 1e-9;

/**
 * Generalised Procrustes analysis (Gower 1975) among the silos: the rotations in O(r) that bring all updates nearest to their own
 * mean. Both factors at once, A and Bᵀ each divided by its length in the silo and in the reference, so that neither counts for
 * more. The first reference are the published factors; then the mean of the aligned ones, again and again.
 */
export function consensusRotations(module: ModuleView): Rotations {
  let rotations = towards(module, module.previous);
  for (let round = 1; round < MOST_ROUNDS; round++) {
    const next = towards(module, module.mean(rotations));
    const moved = next.reduce((most, rotation, i) => Math.max(most, distance(rotation, rotations[i]!)), 0);
    rotations = next;
    if (moved <= TOLERANCE) break;
  }
  return rotations;
}

function towards(module: ModuleView, reference: RowFactors): SmallMatrix[] {
  const a = module.crossGrams('a', reference);
  const b = module.crossGrams('b', reference);
  return a.map((gram, i) => rotationOfBoth(gram, b[i]!, module.r));
}

function distance(x: SmallMatrix, y: SmallMatrix): number {
  return x.reduce((most, value, i) => Math.max(most, Math.abs(value - y[i]!)), 0);
}
