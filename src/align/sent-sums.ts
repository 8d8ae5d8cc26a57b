import type { Kernels, RotatedSum } from './kernels.js';
import { transposed, type RowFactors } from './row-factors.js';
import type { SmallMatrix } from './small-matrix.js';

type Shape = Pick<RowFactors, 'r' | 'in' | 'out'>;

/** A (r × in) and B (out × r) as they are sent. */
interface SentFactors {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

/**
 * Σ weight · (Rᵀ A, B R) of factors as they are sent, in float64 where the kernels work: where the kernels multiply from the right, and
 * where nothing is rotated, B is not transposed for every silo, only their sum is. Each element has the bits that FactorSums gives it.
 * Ended by whoever began it.
 */
export class SentSums {
  readonly #shape: Shape;
  readonly #a: RotatedSum;
  readonly #b: RotatedSum;

  /** `plain`: every rotation will be I. */
  constructor(kernels: Kernels, { r, in: inputs, out }: Shape, plain: boolean) {
    this.#shape = { r, in: inputs, out };
    this.#a = kernels.rotatedSum(r, inputs);
    // Element by element, so it does not matter that B lies as columns.
    this.#b = plain ? kernels.rotatedSum(r, out) : kernels.sumFromRight(out, r);
  }

  /** R undefined is I. */
  add(weight: number, rotation: SmallMatrix | undefined, { a, b }: SentFactors): void {
    this.#a.add(weight, rotation, a);
    this.#b.add(weight, rotation, b);
  }

  /** In float32, as rows. */
  rounded(): RowFactors {
    const { r, out } = this.#shape;
    return { ...this.#shape, a: this.#a.rounded(), bt: transposed(this.#b.rounded(), out, r) };
  }

  end(): void {
    this.#b.end();
    this.#a.end();
  }
}
