import { FedrotError } from '../errors.js';
import { Random } from '../random.js';
import { compareNames } from '../tensor/canonical.js';
import { WIRE_DTYPES } from '../tensor/dtype.js';
import type { TensorInfo } from '../tensor/tensor.js';
import { ArrayPool } from './array-pool.js';
import { combineModule, type CombinedModule } from './combine-module.js';
import { denseOf } from './dense.js';
import { checkUpdate } from './expected-update.js';
import type { SiloInstructions } from './instructions.js';
import type { Kernels } from './kernels.js';
import { adapterLayout, type ModuleLayout } from './layout.js';
import type { MethodEntry } from './method.js';
import { checkAggregation, staleHandling } from './methods.js';
import { moduleData, type SiloUpdate } from './module-data.js';
import { openModule, type ModuleWork } from './open-module.js';
import type { AlignedTensor } from './robust/deviations.js';
import type { RobustPlan } from './robust/plan.js';
import { broughtForward } from './stale-update.js';
import { survey } from './survey.js';
import type { AggregateInput, WeightedUpdate } from './types.js';

/** A round's updates, checked, in order of silo name and ready to be combined module by module. */
export interface OpenRound {
  readonly instructions: SiloInstructions;
  readonly updates: readonly SiloUpdate[];
  /** p_i. */
  readonly weights: readonly number[];
  readonly modules: readonly ModuleLayout[];
  readonly dense: readonly { readonly info: TensorInfo; readonly tensor: AlignedTensor }[];
  readonly robust: RobustPlan | undefined;
  /** Aligns and combines the i-th module and hands it over; what was read of it is forgotten afterwards. */
  module<T>(i: number, take: (work: ModuleWork, combined: CombinedModule) => T): T;
}

/** `measured`: every module is going to be measured too, so that what that computes may serve for combining. */
export function openRound(
  input: AggregateInput,
  kernels: Kernels,
  methods: readonly MethodEntry[],
  { measured }: { readonly measured: boolean },
): OpenRound {
  const { previous, round } = input;
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
  const pool = new ArrayPool();
  const open = modules.map((layout) => () => {
    const random = Random.of(input.seed, 'aggregate', round, layout.module);
    return openModule(kernels, moduleData(layout, previous, updates, instructions, pool), round, random);
  });
  const denseTensors = dense.map((info) => ({ info, tensor: denseOf(info, previous, updates) }));
  const weights = updates.map(({ weight }) => weight);
  const tensors = denseTensors.map(({ tensor }) => tensor);
  const surveyed = input.robust && survey(kernels, input.robust, method, open, tensors, weights);
  return {
    instructions,
    updates,
    weights,
    modules,
    dense: denseTensors,
    robust: surveyed?.plan,
    module(i, take) {
      const work = open[i]!();
      if (measured) work.measures();
      const alignment = surveyed?.alignments[i] ?? method.align(work.view);
      const combined = combineModule(kernels, work, method, alignment, surveyed?.plan);
      const taken = take(work, combined);
      work.data.release([combined.factors.a, combined.factors.bt]); // what is merged is read again when it is written
      return taken;
    },
  };
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
