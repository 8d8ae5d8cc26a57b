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
 * iteration X ← (γ X + X⁻ᵀ / γ) / 2 with γ² = ‖X⁻¹‖_F / ‖X‖_F (Higham 1986, SIAM J. Sci. Stat. Comput. 7), in a tenth of the SVD's
 * time. Undefined where X is nearly singular: where a singular value may be at most `tolerance`, or a millionth of the largest.
 */
export function polarFactor(x: SmallMatrix, r: number, tolerance: number): PolarFactor | undefined {
  const largest = x.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  if (!(largest > 0)) return undefined;
  let q = x.map((value) => value / largest);
  let next = new Float64Array(r * r);
  const inverse = new Float64Array(r * r);
  let orientation: 1 | -1 = 1;
  let change = Infinity;
  for (let step = 0; step < STEPS; step++) {
    inverse.set(q);
    const sign = fastKernels().invert(inverse, r);
    const [size, inverseSize] = [frobenius(q), frobenius(inverse)];
    if (step === 0) {
      const nearlySingular = !(size * inverseSize < CONDITION && largest > 2 * tolerance * inverseSize);
      if (sign === 0 || nearlySingular) return undefined;
      orientation = sign;
    }
    change = newtonStep(next, q, inverse, change > CLOSE ? Math.sqrt(inverseSize / size) : 1, r);
    [q, next] = [next, q];
    if (change < SETTLED) return { q, orientation };
  }
  return undefined;
}

/** next = (γ Q + Q⁻ᵀ / γ) / 2; returns how far that is from Q. */
function newtonStep(
  next: SmallMatrix,
  q: SmallMatrix,
  inverse: SmallMatrix,
  gamma: number,
  r: number,
): number {
  let square = 0;
  for (let i = 0; i < r; i++)
    for (let j = 0; j < r; j++) {
      const at = i * r + j;
      next[at] = (gamma * q[at]! + inverse[j * r + i]! / gamma) / 2;
      square += (next[at] - q[at]!) ** 2;
    }
  return Math.sqrt(square);
}

function frobenius(x: SmallMatrix): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}
