import { invert } from './invert.js';
import type { SmallMatrix } from './small-matrix.js';

export interface NewtonStep {
  /** Of X's determinant; 0, and the rest is of no use, where X has no inverse. */
  readonly sign: 1 | 0 | -1;
  /** ‖X‖_F and ‖X⁻¹‖_F. */
  readonly size: number;
  readonly inverseSize: number;
  /** ‖next − X‖_F. */
  readonly change: number;
}

/**
 * A step of Newton's iteration to the orthogonal polar factor of X (r × r): next = (γ X + X⁻ᵀ / γ) / 2, γ = 1 or, where `scaled`,
 * γ² = ‖X⁻¹‖_F / ‖X‖_F (Higham 1986, SIAM J. Sci. Stat. Comput. 7). X stays as it is.
 */
export function newtonStep(next: SmallMatrix, x: SmallMatrix, r: number, scaled: boolean): NewtonStep {
  const inverse = x.slice();
  const sign = invert(inverse, r);
  const [size, inverseSize] = [frobenius(x), frobenius(inverse)];
  const gamma = scaled ? Math.sqrt(inverseSize / size) : 1;
  const [own, other] = [gamma / 2, 0.5 / gamma];
  let square = 0;
  for (let i = 0; i < r; i++)
    for (let j = 0; j < r; j++) {
      const at = i * r + j;
      next[at] = own * x[at]! + other * inverse[j * r + i]!;
      square += (next[at] - x[at]!) ** 2;
    }
  return { sign, size, inverseSize, change: Math.sqrt(square) };
}

function frobenius(x: SmallMatrix): number {
  let sum = 0;
  for (const value of x) sum += value * value;
  return Math.sqrt(sum);
}
