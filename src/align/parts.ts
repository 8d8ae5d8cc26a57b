import { canonicalOrder } from '../tensor/canonical.js';
import type { NamedTensor, TensorInfo } from '../tensor/tensor.js';
import { combineDense } from './dense.js';
import { fastKernels } from './fast-kernels.js';
import type { Kernels } from './kernels.js';
import { instructions, METHODS } from './methods.js';
import { openRound } from './open-round.js';
import { publishedModule } from './published-module.js';
import type { AggregateInput } from './types.js';

/** A round whose modules and dense tensors are combined one apart from the other, with the numbers of `combine`. */
export interface RoundParts {
  /** The new adapter, in canonical order. */
  readonly tensors: readonly TensorInfo[];
  readonly count: number;
  /** Throws as `combine`. */
  combine(part: number): readonly NamedTensor[];
}

/** Whether a round has parts: nothing that looks at all of it (robust combination, a server optimizer), and nothing that silos merge. */
export function hasParts({
  method,
  options,
  round,
  robust,
  serverOptimizer,
}: Pick<AggregateInput, 'method' | 'options' | 'round' | 'robust' | 'serverOptimizer'>): boolean {
  if (robust !== undefined || serverOptimizer !== undefined) return false;
  return instructions(method, options, round).merge !== true;
}

/** Of a round that has parts. Throws as `combine`. */
export function openParts(
  input: AggregateInput,
  kernels: Kernels = fastKernels(),
  methods = METHODS,
): RoundParts {
  const round = openRound(input, kernels, methods, { measured: false });
  const { modules, dense, weights } = round;
  return {
    tensors: canonicalOrder(input.previous.tensors).map(({ name, shape }) => ({ name, shape, dtype: 'f32' })),
    count: modules.length + dense.length,
    combine(part) {
      const layout = modules[part];
      if (layout) return round.module(part, (_, combined) => publishedModule(layout, combined).tensors);
      const { info, tensor } = dense[part - modules.length]!;
      return [combineDense(kernels, info, tensor, weights, undefined)];
    },
  };
}
