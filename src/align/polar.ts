import { fastKernels } from './fast-kernels.js';
import type { SmallMatrix } from './small-matrix.js';

/** X = Q P with Q orthogonal and P symmetric, positive definite. */
export interface PolarFactor {
  readonly q: SmallMatrix;
  /** The sign of det X, which is that of det Q. */
  readonly orientation: 1 | -1;
}

/** What float64 loses of Q grows with ‖X‖ ‖X⁻¹‖: beyond this it is left to the singular value decomposition. */
const CONDITION = 1e6;

/** A step that changes so little is the last: its error is about the square of that. */
const SETTLED = 1e-9;
const STEPS = 30;

/** Scaling speeds up the way to a Q; close to it the plain step squares the error. */
const CLOSE = 1e-2;

/**
 * The orthogonal polar factor of X (r × r): U Vᵀ of its singular value decomposition, the orthogonal matrix nearest to X, by Newton's
 * iteration (newton-step.ts), in less than a tenth of the SVD's time. Undefined where X is nearly singular: where a singular value may be at most `tolerance`, or a millionth of the largest.
 */
export function polarFactor(x: SmallMatrix, r: number, tolerance: number): PolarFactor | undefined {
  const largest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (!(largest > 0)) return undefined;
  let q = x.map((value) => value / largest);
  let next = new Float64Array(r * r);
  let orientation: 1 | -1 = 1;
  let change = Infinity;
  for (let step = 0; step < STEPS; step++) {
    const taken = fastKernels().newtonStep(next, q, r, change > CLOSE);
    if (step === 0) {
      const { sign, size, inverseSize } = taken;
      const nearlySingular = !(size * inverseSize < CONDITION && largest > 2 * tolerance * inverseSize);
      if (sign === 0 || nearlySingular) return undefined;
      orientation = sign;
    }
    change = taken.change;
    [q, next] = [next, q];
    if (change < SETTLED) return { q, orientation };
  }
  return undefined;
}
