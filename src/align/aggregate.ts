import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { firstNotFinite } from '../tensor/bytes.js';
import { canonicalOrder, compareNames } from '../tensor/canonical.js';
import { WIRE_DTYPES } from '../tensor/dtype.js';
import { checkManifest } from '../tensor/manifest.js';
import type { NamedTensor, TensorInfo } from '../tensor/tensor.js';
import { combineModule, relativeError, type CombinedModule } from './combine-module.js';
import { jsKernels, type Kernels } from './kernels.js';
import { adapterLayout, type ModuleLayout } from './layout.js';
import { checkMethod } from './methods.js';
import { checkFinite, moduleData, type SiloUpdate } from './module-data.js';
import type { AggregateInput, AggregateResult, RoundDiagnostics, WeightedUpdate } from './types.js';

/**
 * Combines a round's updates into the next global adapter, and measures the result. Pure and synchronous: it reads one module
 * (or dense tensor) after the other, its memory does not grow with the number of silos, and nothing depends on the order of
 * `updates`. Run it off the event loop.
 *
 * Throws option_invalid (method), precondition_failed (updates, weights), tensor_name or tensor_shape (an update that is not like
 * `previous`), tensor_not_finite (a damaged update, or a result beyond float32).
 */
export function aggregate(input: AggregateInput, kernels: Kernels = jsKernels): AggregateResult {
  const { previous, round } = input;
  const method = checkMethod(input.method, input.options);
  const updates = normalise(input.updates);
  for (const { silo, tensors } of updates) checkUpdate(previous.tensors, tensors.tensors, silo);
  const { modules, dense } = adapterLayout(previous.tensors);

  const combined = modules.map((layout) => {
    const random = Random.of(input.seed, 'aggregate', round, layout.module);
    return combineModule(kernels, moduleData(layout, previous, updates), method, round, random);
  });
  const tensors = canonicalOrder([
    ...modules.flatMap((layout, i) => factorTensors(layout, combined[i]!)),
    ...dense.map((tensor) => averageDense(kernels, tensor, updates)),
  ]);
  for (const tensor of tensors) checkRange(tensor);
  return { tensors, diagnostics: total(combined, updates) };
}

/** Updates in order of silo name, weights summing to 1. */
function normalise(updates: readonly WeightedUpdate[]): SiloUpdate[] {
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
  return ordered.map(({ silo, weight, tensors }) => ({ silo, weight: weight / largest / sum, tensors }));
}

function checkUpdate(expected: readonly TensorInfo[], got: readonly TensorInfo[], silo: string): void {
  try {
    checkManifest(expected, got, WIRE_DTYPES);
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

function averageDense(
  kernels: Kernels,
  { name, shape }: TensorInfo,
  updates: readonly SiloUpdate[],
): NamedTensor {
  let sum: Float64Array | undefined;
  for (const { silo, weight, tensors } of updates) {
    const data = tensors.read(name);
    checkFinite(data, name, silo);
    sum ??= new Float64Array(data.length);
    kernels.add(sum, weight, data);
  }
  return { name, shape, data: Float32Array.from(sum ?? []) };
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
  const sum = (pick: (module: CombinedModule) => number): number =>
    combined.reduce((acc, module) => acc + pick(module), 0);
  const target = sum(({ squared }) => squared.target);
  const method = sum(({ squared }) => squared.method);
  return {
    aggregationError: relativeError(method, target),
    aggregationErrorFedit: relativeError(
      sum(({ squared }) => squared.fedit),
      target,
    ),
    squaredError: method,
    silos: updates.map(({ silo }) => silo),
    modules: combined.map(({ diagnostics }) => diagnostics),
  };
}
