import type { Kernels } from './kernels.js';
import { multiply, transpose, type SmallMatrix } from './small-matrix.js';

/**
 * Gram matrices of stacked factors: N blocks of r rows, block (i, j) is X_i X_jᵀ. All that the errors need of the long dimension
 * is in them; what follows is algebra on (N r) × (N r) matrices.
 */

/** The Gram matrix of X_1 … X_N, each of r_i rows of length n. */
export function stackedGram(
  kernels: Kernels,
  stack: readonly { readonly x: Float32Array; readonly r: number }[],
  n: number,
): SmallMatrix {
  const begins = stack.map((_, i) => stack.slice(0, i).reduce((sum, { r }) => sum + r, 0));
  const size = stack.reduce((sum, { r }) => sum + r, 0);
  const result = new Float64Array(size * size);
  stack.forEach(({ x, r }, i) => {
    for (let j = i; j < stack.length; j++) {
      const width = stack[j]!.r;
      const block = kernels.gram(x, r, stack[j]!.x, width, n);
      for (let a = 0; a < r; a++)
        for (let b = 0; b < width; b++) {
          const row = begins[i]! + a;
          const column = begins[j]! + b;
          result[row * size + column] = result[column * size + row] = block[a * width + b]!;
        }
    }
  });
  return result;
}

/** The Gram matrix of R_1ᵀ X_1 … R_Nᵀ X_N. */
export function rotateGram(
  gram: SmallMatrix,
  rotations: readonly (SmallMatrix | undefined)[],
  r: number,
): SmallMatrix {
  if (rotations.every((rotation) => rotation === undefined)) return gram;
  return onBothSides(gram, rotations.length * r, (half) => rotateRows(half, rotations, r));
}

/** The Gram matrix of X_1 − X̄ … X_N − X̄ with X̄ = Σ p_i X_i. */
export function centerGram(gram: SmallMatrix, weights: readonly number[], r: number): SmallMatrix {
  return onBothSides(gram, weights.length * r, (half) => centerRows(half, weights, r));
}

/** Σ p_i p_j ⟨G_ij, H_ij⟩, which for the Grams of stacked B_iᵀ and A_i is ‖Σ p_i B_i A_i‖_F². */
export function weightedInner(g: SmallMatrix, h: SmallMatrix, weights: readonly number[], r: number): number {
  const size = weights.length * r;
  let sum = 0;
  for (let row = 0; row < size; row++) {
    let rowSum = 0;
    for (let column = 0; column < size; column++)
      rowSum += weights[Math.floor(column / r)]! * g[row * size + column]! * h[row * size + column]!;
    sum += weights[Math.floor(row / r)]! * rowSum;
  }
  return sum;
}

/** T G Tᵀ for a T that acts on rows, G symmetric. */
function onBothSides(gram: SmallMatrix, size: number, act: (half: SmallMatrix) => SmallMatrix): SmallMatrix {
  return act(transpose(act(gram), size, size));
}

function rotateRows(
  gram: SmallMatrix,
  rotations: readonly (SmallMatrix | undefined)[],
  r: number,
): SmallMatrix {
  const size = rotations.length * r;
  const result = new Float64Array(gram.length);
  rotations.forEach((rotation, i) => {
    const rows = gram.subarray(i * r * size, (i + 1) * r * size);
    result.set(rotation ? multiply(transpose(rotation, r, r), rows, r, r, size) : rows, i * r * size);
  });
  return result;
}

function centerRows(gram: SmallMatrix, weights: readonly number[], r: number): SmallMatrix {
  const width = r * weights.length * r;
  const mean = new Float64Array(width);
  weights.forEach((weight, i) => {
    for (let at = 0; at < width; at++) mean[at]! += weight * gram[i * width + at]!;
  });
  return gram.map((value, at) => value - mean[at % width]!);
}
