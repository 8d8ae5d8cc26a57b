import { FedrotError } from '../errors.js';
import { canonicalOrder } from '../tensor/canonical.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';
import { bestRank, type ProductSum } from './best-rank.js';
import { fastKernels } from './fast-kernels.js';
import { adapterLayout, readFactors, type ModuleLayout } from './layout.js';
import { transposed, type RowFactors } from './row-factors.js';

/**
 * One adapter whose product is the sum of the products of several, of any ranks: what flora's and fedex's versions come to, the
 * merge files of all versions and the last adapter. Stacked, it is exact and its rank is the sum of the ranks; with `rank` it is the best
 * approximation of that rank, or of the sum's own rank where that is less (at least 1). Dense tensors are those of the last adapter.
 * The scale s stays the run's: whoever writes PEFT's adapter_config.json sets lora_alpha to s × the new rank.
 *
 * Throws tensor_name where the adapters have not the same modules, tensor_shape where these have not the same sizes.
 */
export function sumAdapters(adapters: readonly TensorSource[], rank?: number): NamedTensor[] {
  const last = adapters.at(-1);
  if (!last) throw new FedrotError('precondition_failed', 'there is no adapter to sum');
  const layouts = adapters.map((adapter) => adapterLayout(adapter.tensors).modules);
  const { modules, dense } = adapterLayout(last.tensors);
  const factors = modules.flatMap((module) => {
    const terms = layouts.map((others) => sameModule(module, others));
    const sum: ProductSum = {
      in: module.in,
      out: module.out,
      weights: terms.map(() => 1),
      rows: terms.reduce((total, { r }) => total + r, 0),
      factors: (i) => readFactors(adapters[i]!, terms[i]!),
    };
    const { a, bt, r } = rank === undefined ? stacked(sum) : atLeastOne(bestRank(fastKernels(), sum, rank));
    return [
      { name: module.a, shape: [r, module.in], data: a },
      { name: module.b, shape: [module.out, r], data: transposed(bt, r, module.out) },
    ];
  });
  return canonicalOrder([
    ...factors,
    ...dense.map(({ name, shape }) => ({ name, shape, data: last.read(name) })),
  ]);
}

function sameModule(module: ModuleLayout, others: readonly ModuleLayout[]): ModuleLayout {
  const same = others.find((other) => other.module === module.module);
  if (same?.in === module.in && same.out === module.out) return same;
  throw new FedrotError(
    same ? 'tensor_shape' : 'tensor_name',
    `module ${module.module} (${module.in} → ${module.out}) is not in every adapter that is to be summed`,
  );
}

function stacked(sum: ProductSum): RowFactors {
  const a = new Float32Array(sum.rows * sum.in);
  const bt = new Float32Array(sum.rows * sum.out);
  let row = 0;
  for (let i = 0; i < sum.weights.length; i++) {
    const term = sum.factors(i);
    a.set(term.a, row * sum.in);
    bt.set(term.bt, row * sum.out);
    row += term.r;
  }
  return { r: sum.rows, in: sum.in, out: sum.out, a, bt };
}

/** Factors of a sum that is nothing: one row of zeros, as a tensor has no dimension 0. */
const atLeastOne = (factors: RowFactors): RowFactors =>
  factors.r > 0
    ? factors
    : { ...factors, r: 1, a: new Float32Array(factors.in), bt: new Float32Array(factors.out) };
