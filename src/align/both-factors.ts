import { nearestOrthogonal } from './procrustes.js';
import { NOISE, type CrossGram } from './rotate.js';
import { identity, type SmallMatrix } from './small-matrix.js';

/**
 * R in O(r) from both factors: nearest to M_A / (‖A_i‖ ‖Ā‖) + M_B / (‖B_i‖ ‖B̄‖), so that neither counts for more; a factor that is
 * zero says nothing. M as crossGram gives them.
 */
export function rotationOfBoth(a: CrossGram, b: CrossGram, r: number): SmallMatrix {
  const sum = new Float64Array(r * r);
  let parts = 0;
  for (const { m, scale } of [a, b]) {
    if (scale === 0) continue;
    for (let i = 0; i < sum.length; i++) sum[i]! += m[i]! / scale;
    parts += 1;
  }
  return parts === 0 ? identity(r) : nearestOrthogonal(sum, r, 'O', NOISE * parts);
}
