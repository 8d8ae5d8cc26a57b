import type { TensorSource } from '../tensor/tensor.js';
import { rotationOfBoth } from './both-factors.js';
import { fastKernels } from './fast-kernels.js';
import { fitFactors, resizeRows } from './fit-rank.js';
import type { SiloInstructions } from './instructions.js';
import { adapterLayout, factorOf, type ModuleLayout } from './layout.js';
import { crossGram } from './rotate.js';
import { fromRows, sumOf, toRows, type RowFactors } from './row-factors.js';
import { multiply, type SmallMatrix } from './small-matrix.js';
import type { StaleHandling, Staleness } from './staleness.js';
import type { Factors } from './types.js';

/**
 * An update of an older version as one of the newest: x̄ + s(τ) · (x_i − x_b), the newest version and the step that the silo made from the
 * version b it began with (FedBuff, arXiv 2106.06639, Algorithm 1: w ← w + η Σ s(τ_i) Δ_i / K, where the mean with equal weights over
 * these is taken). What the method does with updates (rotate, average, truncate, combine robustly) it then does with this one.
 *
 * `rotated`: a step can only be taken in the basis it is added in. P, orthogonal Procrustes over both factors, turns the update to its base,
 * Q the base to the newest version; added is s · (QᵀPᵀ x_i − Qᵀ x_b). An update that is its base, in whatever basis, adds nothing.
 * A smaller rank of the silo's own is measured against the base fitted to that rank, and filled up with zeros.
 */
export function broughtForward(
  update: TensorSource,
  { base, scale }: Staleness,
  newest: TensorSource,
  how: StaleHandling,
  instructions: SiloInstructions,
): TensorSource {
  const sent = new Map(update.tensors.map((tensor) => [tensor.name, tensor]));
  const tensors = newest.tensors.filter(({ name }) => sent.has(name));
  const layouts = new Map(adapterLayout(newest.tensors).modules.map((layout) => [layout.a, layout]));
  let known: { readonly module: string; readonly factors: Factors } | undefined;
  const moduleOf = (layout: ModuleLayout): Factors => {
    if (known?.module !== layout.module)
      known = { module: layout.module, factors: module(layout, sent.get(layout.a)?.shape[0] ?? layout.r) };
    return known.factors;
  };
  return {
    tensors,
    read(name) {
      const factor = factorOf(name);
      const layout = factor && layouts.get(factor.a);
      if (factor === undefined || layout === undefined || !sent.has(factor.a) || !sent.has(factor.b))
        return stepped(newest.read(name), update.read(name), base.read(name), scale);
      return moduleOf(layout)[factor.side];
    },
  };

  function module({ a, b, r, in: inputs, out }: ModuleLayout, ownRank: number): Factors {
    const read = (source: TensorSource, rank: number): Factors => ({
      ...{ r: rank, in: inputs, out },
      ...{ a: source.read(a), b: source.read(b) },
    });
    const own = toRows(resizeRows(read(update, ownRank), r));
    const whole = read(base, r);
    const begun = ownRank === r ? whole : fitFactors(whole, ownRank, instructions.ownRank ?? 'rows');
    const from = toRows(resizeRows(begun, r));
    const to = toRows(read(newest, r));
    const p = how === 'rotated' ? rotation(own, from) : undefined;
    const q = how === 'rotated' ? rotation(from, to) : undefined;
    const kernels = fastKernels();
    const forward = sumOf(kernels, to, (sums) => {
      sums.add(1, undefined, to);
      sums.add(scale, p && q && multiply(p, q, r, r, r), own);
      sums.add(-scale, q, from);
    });
    return fromRows(forward);
  }
}

function rotation(x: RowFactors, reference: RowFactors): SmallMatrix {
  return rotationOfBoth(crossGram(x, reference, 'a'), crossGram(x, reference, 'b'), x.r);
}

function stepped(newest: Float32Array, own: Float32Array, begun: Float32Array, scale: number): Float32Array {
  return newest.map((value, i) => value + scale * (own[i]! - begun[i]!));
}
