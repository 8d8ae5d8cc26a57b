import { canonicalOrder } from '../tensor/canonical.js';
import { combineDense } from './dense.js';
import { diagnoseModule, type DiagnosedModule } from './diagnose-module.js';
import { roundDiagnostics } from './round-diagnostics.js';
import { fastKernels } from './fast-kernels.js';
import { shares } from './instructions.js';
import type { Kernels } from './kernels.js';
import { factorOf } from './layout.js';
import { mergeSource } from './merge-source.js';
import { METHODS } from './methods.js';
import { openRound, type OpenRound } from './open-round.js';
import { checkRange, publishedModule, type PublishedModule } from './published-module.js';
import { serverStep } from './server-optimizer.js';
import type { AggregateInput, AggregateResult, CombineResult, RoundDiagnostics } from './types.js';

/**
 * Combines a round's updates into the next global adapter, and nothing else: what silos wait for. Pure and synchronous: it reads
 * one module (or dense tensor) after the other, its memory does not grow with the number of silos, and nothing depends on the order
 * of `updates`. Run it off the event loop. `methods`: where the method's name is looked up.
 *
 * Throws option_invalid (method, or steps that do not go with it), precondition_failed (updates, weights), tensor_name or
 * tensor_shape (an update that is not what the method asked for), tensor_not_finite (a damaged update, or a result beyond float32).
 */
export function combine(
  input: AggregateInput,
  kernels: Kernels = fastKernels(),
  methods = METHODS,
  /** Called before every module. */
  between: () => void = () => undefined,
): CombineResult {
  const round = openRound(input, kernels, methods, { measured: false });
  const modules = round.modules.map((layout, i) => {
    between();
    return round.module(i, (_, combined) => publishedModule(layout, combined));
  });
  return published(input, kernels, round, modules);
}

/**
 * Measures a round, from the same input as `combine` and with the same numbers, whenever that is: errors against the exact mean,
 * angles, norms. It aligns and combines again, so that nothing but the updates has to be kept. Throws as `combine`.
 */
export function diagnose(
  input: AggregateInput,
  kernels: Kernels = fastKernels(),
  methods = METHODS,
  /** Called before every module: where others may go first. */
  between: () => void = () => undefined,
): RoundDiagnostics {
  const round = openRound(input, kernels, methods, { measured: true });
  const diagnosed = round.modules.map((_, i) => {
    between();
    return round.module(i, diagnoseModule);
  });
  return roundDiagnostics(diagnosed, round.updates);
}

/** `combine` and `diagnose` at once. */
export function aggregate(
  input: AggregateInput,
  kernels: Kernels = fastKernels(),
  methods = METHODS,
): AggregateResult {
  const round = openRound(input, kernels, methods, { measured: true });
  const diagnosed: DiagnosedModule[] = [];
  const modules = round.modules.map((layout, i) =>
    round.module(i, (work, combined) => {
      diagnosed.push(diagnoseModule(work, combined));
      return publishedModule(layout, combined);
    }),
  );
  return {
    ...published(input, kernels, round, modules),
    diagnostics: roundDiagnostics(diagnosed, round.updates),
  };
}

/** The whole adapter: dense tensors, the server optimizer's step, what silos merge. */
function published(
  { serverOptimizer, previous, state }: AggregateInput,
  kernels: Kernels,
  { instructions, dense, weights, robust }: OpenRound,
  modules: readonly PublishedModule[],
): CombineResult {
  const combined = canonicalOrder([
    ...modules.flatMap(({ tensors }) => tensors),
    ...dense.map(({ info, tensor }) => combineDense(kernels, info, tensor, weights, robust)),
  ]);
  const stepped = serverOptimizer && serverStep(serverOptimizer, combined, previous, state, takesPart);
  const tensors = stepped?.tensors ?? combined;
  for (const tensor of tensors) checkRange(tensor);
  const merges = modules.flatMap(({ merge }) => merge);
  return {
    tensors,
    ...(merges.length > 0 ? { merge: mergeSource(merges) } : {}),
    ...(stepped ? { state: stepped.state } : {}),
  };

  function takesPart(name: string): boolean {
    const factor = factorOf(name);
    return !factor || shares(instructions, factor.side);
  }
}
