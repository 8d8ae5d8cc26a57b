import type { Kernels } from '../kernels.js';
import type { Rotations } from '../method.js';
import type { ModuleData } from '../module-data.js';

/** What silos' aligned updates differ from the published tensor by, a piece of it: silos × width, one row a silo. */
export interface Piece {
  readonly from: number;
  readonly width: number;
  readonly deltas: Float64Array;
}

/** So many numbers of all silos together are held at once; beyond, updates are read again for every piece. */
const PIECE_NUMBERS = 4 * 2 ** 20;

/** One tensor of all silos, as long rows, aligned: Rᵀ A_i, Rᵀ B_iᵀ, or a dense tensor. */
export interface AlignedTensor {
  readonly length: number;
  readonly silos: number;
  /** The published tensor that the round started from. */
  readonly previous: Float32Array;
  readonly aligned: (silo: number) => ArrayLike<number>;
}

/** Piece by piece, so that memory does not grow with the number of silos. */
export function* deviations({ length, silos, previous, aligned }: AlignedTensor): Generator<Piece> {
  const most = Math.max(1, Math.floor(PIECE_NUMBERS / silos));
  for (let from = 0; from < length; from += most) {
    const width = Math.min(most, length - from);
    const deltas = new Float64Array(silos * width);
    for (let silo = 0; silo < silos; silo++) {
      const values = aligned(silo);
      for (let at = 0; at < width; at++)
        deltas[silo * width + at] = values[from + at]! - previous[from + at]!;
    }
    yield { from, width, deltas };
  }
}

/** The factors of a module that silos share, A and then Bᵀ, each as one tensor. */
export function alignedFactors(
  kernels: Kernels,
  data: ModuleData,
  rotations: Rotations,
): { readonly side: 'a' | 'bt'; readonly tensor: AlignedTensor }[] {
  const { r, in: inputs, out } = data.layout;
  const of = (side: 'a' | 'bt', n: number): { side: 'a' | 'bt'; tensor: AlignedTensor } => ({
    side,
    tensor: {
      length: r * n,
      silos: data.weights.length,
      previous: data.previous[side],
      aligned(silo) {
        const rotation = rotations[silo];
        const x = data.factors(silo)[side];
        if (!rotation) return x;
        const rotated = new Float64Array(r * n);
        kernels.addProduct(rotated, 1, rotation, r, x, r, n);
        return rotated;
      },
    },
  });
  return [...(data.shared.a ? [of('a', inputs)] : []), ...(data.shared.b ? [of('bt', out)] : [])];
}
