import type { ProductSum } from './best-rank.js';
import type { ModuleView } from './method.js';
import { norm } from './rotate.js';

/** ΔW* = Σ p_i B_i A_i of a round's updates. */
export function meanProductOf({ in: inputs, out, r, silos, weights, factors }: ModuleView): ProductSum {
  return { in: inputs, out, weights, rows: silos * r, factors };
}

/** The largest ‖A_i‖_F or ‖B_i‖_F that came in. */
export function largestNorm({ silos, factors }: ModuleView): number {
  let largest = 0;
  for (let i = 0; i < silos; i++) {
    const { a, bt } = factors(i);
    largest = Math.max(largest, norm(a), norm(bt));
  }
  return largest;
}
