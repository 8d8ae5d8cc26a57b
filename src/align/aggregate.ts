import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { firstNotFinite } from '../tensor/bytes.js';
import { canonicalOrder, compareNames } from '../tensor/canonical.js';
import { elementCount, WIRE_DTYPES } from '../tensor/dtype.js';
import type { NamedTensor, TensorInfo } from '../tensor/tensor.js';
import { combineModule, moduleWork, relativeErrors, type CombinedModule } from './combine-module.js';
import type { SquaredErrors } from './errors.js';
import { checkUpdate } from './expected-update.js';
import { fastKernels } from './fast-kernels.js';
import { shares } from './instructions.js';
import type { Kernels } from './kernels.js';
import { adapterLayout, factorOf, type ModuleLayout } from './layout.js';
import { mergeSource } from './merge-source.js';
import { checkAggregation, METHODS, staleHandling } from './methods.js';
import { checkFinite, moduleData, type SiloUpdate } from './module-data.js';
import { combineRobustly } from './robust/combine.js';
import type { AlignedTensor } from './robust/deviations.js';
import type { RobustPlan } from './robust/plan.js';
import { serverStep } from './server-optimizer.js';
import { broughtForward } from './stale-update.js';
import { survey } from './survey.js';
import type { AggregateInput, AggregateResult, RoundDiagnostics, WeightedUpdate } from './types.js';

/**
 * Combines a round's updates into the next global adapter, and measures the result. Pure and synchronous: it reads one module
 * (or dense tensor) after the other, its memory does not grow with the number of silos, and nothing depends on the order of
 * `updates`. Run it off the event loop. `methods`: where the method's name is looked up.
 *
 * Throws option_invalid (method, or steps that do not go with it), precondition_failed (updates, weights), tensor_name or
 * tensor_shape (an update that is not what the method asked for), tensor_not_finite (a damaged update, or a result beyond float32).
 */
export function aggregate(
  input: AggregateInput,
  kernels: Kernels = fastKernels(),
  methods = METHODS,
): AggregateResult {
  const { previous, round, robust } = input;
  const method = checkAggregation(input, methods);
  const instructions = method.instructions(round);
  const updates = normalise(input.updates).map(({ stale, ...update }): SiloUpdate => {
    const { silo, tensors } = update;
    naming(silo, () => checkUpdate(previous.tensors, tensors.tensors, instructions, WIRE_DTYPES));
    if (stale === undefined) return update;
    const how = staleHandling(method);
    return { ...update, tensors: broughtForward(tensors, stale, previous, how, instructions) };
  });
  const { modules, dense } = adapterLayout(previous.tensors);

  const work = modules.map((layout) => () => {
    const random = Random.of(input.seed, 'aggregate', round, layout.module);
    return moduleWork(kernels, moduleData(layout, previous, updates, instructions), round, random);
  });
  const denseTensors = dense.map((tensor) => denseOf(tensor, input, updates));
  const weights = updates.map(({ weight }) => weight);
  const surveyed = robust && survey(kernels, robust, method, work, denseTensors, weights);

  const combined = work.map((open, i) => {
    const opened = open();
    const alignment = surveyed?.alignments[i] ?? method.align(opened.view);
    return combineModule(kernels, opened, method, alignment, surveyed?.plan);
  });
  const published = canonicalOrder([
    ...modules.flatMap((layout, i) => factorTensors(layout, combined[i]!)),
    ...dense.map((tensor, i) => combineDense(kernels, tensor, denseTensors[i]!, weights, surveyed?.plan)),
  ]);
  const stepped =
    input.serverOptimizer && serverStep(input.serverOptimizer, published, previous, input.state, takesPart);
  const tensors = stepped?.tensors ?? published;
  for (const tensor of tensors) checkRange(tensor);
  const merges = combined.flatMap(({ merge }, i) => (merge ? [{ layout: modules[i]!, merge }] : []));
  return {
    tensors,
    diagnostics: total(combined, updates),
    ...(merges.length > 0 ? { merge: mergeSource(merges) } : {}),
    ...(stepped ? { state: stepped.state } : {}),
  };

  function takesPart(name: string): boolean {
    const factor = factorOf(name);
    return !factor || shares(instructions, factor.side);
  }
}

/** Updates in order of silo name, weights summing to 1. */
function normalise(updates: readonly WeightedUpdate[]): WeightedUpdate[] {
  const ordered = [...updates].sort((a, b) => compareNames(a.silo, b.silo));
  for (const [i, { silo, weight }] of ordered.entries()) {
    if (!Number.isFinite(weight) || weight < 0)
      throw new FedrotError(
        'precondition_failed',
        `update of silo ${silo}: weight ${weight} is not a finite number of at least 0`,
      );
    if (ordered[i - 1]?.silo === silo)
      throw new FedrotError('precondition_failed', `silo ${silo} has two updates in one round`);
  }
  // Dividing by the largest first keeps the sum finite.
  const largest = ordered.reduce((max, { weight }) => Math.max(max, weight), 0);
  if (largest === 0)
    throw new FedrotError(
      'precondition_failed',
      `${ordered.length} updates, none with a weight above 0: there is nothing to average`,
    );
  const sum = ordered.reduce((total, { weight }) => total + weight / largest, 0);
  return ordered.map((update) => ({ ...update, weight: update.weight / largest / sum }));
}

/** Says of which silo an update is wrong. */
function naming(silo: string, check: () => void): void {
  try {
    check();
  } catch (thrown) {
    if (!(thrown instanceof FedrotError)) throw thrown;
    throw new FedrotError(thrown.code, `update of silo ${silo}: ${thrown.message}`, { cause: thrown });
  }
}

function factorTensors(layout: ModuleLayout, { factors }: CombinedModule): NamedTensor[] {
  const { r, in: inputs, out } = layout;
  return [
    { name: layout.a, shape: [r, inputs], data: factors.a },
    { name: layout.b, shape: [out, r], data: factors.b },
  ];
}

/** A dense tensor of all silos, read one after the other. */
function denseOf(
  { name, shape }: TensorInfo,
  { previous }: AggregateInput,
  updates: readonly SiloUpdate[],
): AlignedTensor {
  return {
    length: elementCount(shape),
    silos: updates.length,
    get previous() {
      return previous.read(name);
    },
    aligned(i) {
      const { silo, tensors } = updates[i]!;
      const data = tensors.read(name);
      checkFinite(data, name, silo);
      return data;
    },
  };
}

function combineDense(
  kernels: Kernels,
  { name, shape }: TensorInfo,
  tensor: AlignedTensor,
  weights: readonly number[],
  robust: RobustPlan | undefined,
): NamedTensor {
  if (robust) return { name, shape, data: Float32Array.from(combineRobustly(tensor, robust)) };
  const sum = new Float64Array(tensor.length);
  weights.forEach((weight, i) => kernels.add(sum, weight, tensor.aligned(i)));
  return { name, shape, data: Float32Array.from(sum) };
}

function checkRange({ name, data }: NamedTensor): void {
  const at = firstNotFinite(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 'f32');
  if (at >= 0)
    throw new FedrotError(
      'tensor_not_finite',
      `tensor ${name}: the combined element ${at} is beyond float32; the updates' factors are too large`,
    );
}

function total(combined: readonly CombinedModule[], updates: readonly SiloUpdate[]): RoundDiagnostics {
  const known = combined.flatMap(({ squared }) => (squared ? [squared] : []));
  const sum = (key: keyof SquaredErrors): number => known.reduce((acc, squared) => acc + squared[key], 0);
  const squared = { method: sum('method'), fedit: sum('fedit'), bound: sum('bound'), target: sum('target') };
  const silos = combined.flatMap(({ diagnostics }) => diagnostics.silos);
  const misaligned = silos.reduce((acc, { misalignment }) => acc + misalignment, 0);
  return {
    ...relativeErrors(known.length === combined.length ? squared : undefined),
    misalignment: silos.length === 0 ? 0 : misaligned / silos.length,
    squaredError: squared.method,
    silos: updates.map(({ silo }) => silo),
    modules: combined.map(({ diagnostics }) => diagnostics),
  };
}
