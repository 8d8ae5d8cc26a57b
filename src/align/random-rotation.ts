import type { Random } from '../random.js';
import { orientation, orthonormalize, type SmallMatrix } from './small-matrix.js';

/**
 * A rotation drawn uniformly (Haar) from SO(r): Q of a Gaussian matrix with a positive diagonal of R is uniform on O(r)
 * (Mezzadri, arXiv math-ph/0609050); where it is a reflection its first column is flipped.
 */
export function randomRotation(r: number, random: Random): SmallMatrix {
  const gaussian = Float64Array.from({ length: r * r }, () => random.normal());
  const q = orthonormalize(gaussian, r);
  if (orientation(q, r) < 0) for (let row = 0; row < r; row++) q[row * r]! *= -1;
  return q;
}
