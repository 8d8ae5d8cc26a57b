import { FedrotError } from '../errors.js';
import { tensorInfos, memorySource } from '../tensor/encode-file.js';
import type { NamedTensor } from '../tensor/tensor.js';
import { bestRank, withIdleRows } from './best-rank.js';
import type { OwnRank } from './instructions.js';
import { fastKernels } from './fast-kernels.js';
import { adapterLayout } from './layout.js';
import { norm } from './rotate.js';
import { fromRows, toRows } from './row-factors.js';
import { identity } from './small-matrix.js';
import type { Factors } from './types.js';

/** The first rows of A and columns of B; zeros after the last where r is larger. */
export function resizeRows(factors: Factors, r: number): Factors {
  if (r === factors.r) return factors;
  const { in: inputs, out } = factors;
  const kept = Math.min(r, factors.r);
  const a = new Float32Array(r * inputs);
  a.set(factors.a.subarray(0, kept * inputs));
  const b = new Float32Array(out * r);
  for (let row = 0; row < out; row++)
    b.set(factors.b.subarray(row * factors.r, row * factors.r + kept), row * r);
  return { r, in: inputs, out, a, b };
}

/** The best approximation of B A of rank r, balanced; where B A has a lower rank, the rest of A's first rows come in with B = 0. */
function bestFactors(factors: Factors, r: number): Factors {
  if (r >= factors.r) return resizeRows(factors, r);
  const rows = toRows(factors);
  const { in: inputs, out } = factors;
  const sum = { in: inputs, out, weights: [1], rows: factors.r, factors: () => rows };
  const first = resizeRows(factors, r);
  const limit = Math.max(norm(factors.a), norm(factors.b));
  const kernels = fastKernels();
  return fromRows(withIdleRows(kernels, bestRank(kernels, sum, r), r, identity(r), first.a, limit));
}

/** One module's factors at a smaller rank, as SiloInstructions.ownRank says. */
export function fitFactors(factors: Factors, r: number, how: OwnRank): Factors {
  const rank = Math.min(r, factors.r);
  return how === 'rows' ? resizeRows(factors, rank) : bestFactors(factors, rank);
}

/**
 * The published adapter at a silo's own rank (SiloInstructions.ownRank), for every module; dense tensors as they are. The scale of
 * B · A stays the run's, whatever the silo's rank. Throws option_invalid unless r is an integer from 1.
 */
export function fitRank(adapter: readonly NamedTensor[], r: number, how: OwnRank): NamedTensor[] {
  if (!Number.isInteger(r) || r < 1)
    throw new FedrotError('option_invalid', `a silo's rank must be an integer of at least 1, not ${r}`);
  const source = memorySource(adapter);
  const fitted = new Map<string, NamedTensor>();
  for (const { a, b, r: full, in: inputs, out } of adapterLayout(tensorInfos(adapter)).modules) {
    const factors = { r: full, in: inputs, out, a: source.read(a), b: source.read(b) };
    const own = fitFactors(factors, r, how);
    fitted.set(a, { name: a, shape: [own.r, inputs], data: own.a });
    fitted.set(b, { name: b, shape: [out, own.r], data: own.b });
  }
  return adapter.map((tensor) => fitted.get(tensor.name) ?? tensor);
}
