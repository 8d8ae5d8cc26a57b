import type { Merge } from './method.js';
import type { RowFactors } from './row-factors.js';

/** Σ weight_i B_i A_i as one pair of factors, block by block: A_i as they are, weight_i in B. Made one tensor at a time, when asked for. */
export function stackedFactors(
  { in: inputs, out, r }: { readonly in: number; readonly out: number; readonly r: number },
  count: number,
  block: (index: number) => { readonly weight: number; readonly factors: Pick<RowFactors, 'a' | 'bt'> },
): Merge {
  return {
    rank: count * r,
    a() {
      const rows = new Float32Array(count * r * inputs);
      for (let i = 0; i < count; i++) rows.set(block(i).factors.a, i * r * inputs);
      return rows;
    },
    bt() {
      const rows = new Float32Array(count * r * out);
      for (let i = 0; i < count; i++) {
        const { weight, factors } = block(i);
        rows.set(factors.bt.map((value) => weight * value), i * r * out); // prettier-ignore
      }
      return rows;
    },
  };
}
