import { aggregate } from '../align/aggregate.js';
import type { SiloInstructions } from '../align/instructions.js';
import { instructions as instructionsOf } from '../align/methods.js';
import type { RoundDiagnostics } from '../align/types.js';
import { sharedTensors } from '../client/fit-task.js';
import { asFedrotError, FedrotError } from '../errors.js';
import type { RunSpec } from '../run-spec.js';
import type { RunEvent } from '../server/round/events.js';
import { carries } from '../server/round/staleness.js';
import { initialState, type RunState } from '../server/round/state.js';
import { step } from '../server/round/step.js';
import { memorySource } from '../tensor/encode-file.js';
import type { NamedTensor, TensorSource } from '../tensor/tensor.js';

/** What a silo sends back: PEFT's names, in any order. */
export interface LocalUpdate {
  readonly tensors: readonly NamedTensor[];
  readonly examples: number;
  /** Mean loss of its steps. */
  readonly loss: number;
}

export interface Federation {
  readonly spec: RunSpec;
  /** All are connected throughout; rounds.ask says how many of them a round asks. */
  readonly silos: readonly string[];
  /** Version 0. */
  readonly initial: readonly NamedTensor[];
  /** A silo's local training in a round (from 1), from the published adapter. */
  readonly train: (
    silo: string,
    round: number,
    published: readonly NamedTensor[],
    instructions: SiloInstructions,
  ) => Promise<LocalUpdate>;
  /** Called for every version, 0 first, before the next round begins. */
  readonly onVersion: (version: PublishedVersion) => Promise<void>;
  /** Silos whose training failed are left out of their round; this is told why. */
  readonly onFailure?: (silo: string, round: number, error: FedrotError) => void;
}

export interface PublishedVersion {
  readonly version: number;
  readonly tensors: readonly NamedTensor[];
  /** What silos merge into their base before they work with it (flora, fedex); it may be read until onVersion resolves. */
  readonly merge?: TensorSource | undefined;
  /** Of the round that made it; none for version 0. */
  readonly round?: { readonly diagnostics: RoundDiagnostics; readonly trainLoss: number };
}

/**
 * A run from its first event to its last, by the reducer, the methods and the training of production; only time stands still. Returns the
 * reducer's last state. Silos are asked one after the other, in order of name.
 */
export async function runFederation(federation: Federation): Promise<RunState> {
  const { spec, silos } = federation;
  if (carries(spec))
    throw new FedrotError(
      'option_invalid',
      'rounds.late: carry and rounds.mode: async cannot be simulated: time stands still here, and no update is ever late',
    );
  // Time stands still here: whoever was set aside would never come back.
  const policy = { ...spec, rounds: { ...spec.rounds, setAside: { ...spec.rounds.setAside, failures: 0 } } };
  let state = initialState('simulation', policy, { trainers: silos, evaluators: [] });
  let published = federation.initial;
  let optimizerState: readonly NamedTensor[] | undefined;
  let updates = new Map<string, LocalUpdate>();
  await federation.onVersion({ version: 0, tensors: published });

  const events: RunEvent[] = [{ type: 'begin', at: 0 }];
  for (let event = events.shift(); event !== undefined; event = events.shift()) {
    const next = step(state, event);
    state = next.state;
    if (next.refusal !== undefined) throw new FedrotError(next.refusal.code, next.refusal.message);
    for (const effect of next.effects) {
      if (effect.type === 'assign') events.push(await trained(effect.silo, effect.taskId));
      if (effect.type === 'aggregate') events.push(await combined(effect.round));
    }
  }
  return state;

  async function trained(silo: string, taskId: string): Promise<RunEvent> {
    const { round, version } = state;
    const { method, options } = spec.aggregation;
    const asked = instructionsOf(method, options, round);
    try {
      const update = await federation.train(silo, round, published, asked);
      const { examples } = update;
      updates.set(silo, { ...update, tensors: sharedTensors(update.tensors, published, asked) });
      const counted = { sha256: '', examples };
      return { type: 'update', at: 0, silo, round, taskId, baseVersion: version, update: counted };
    } catch (thrown) {
      const error = asFedrotError(thrown);
      if (error.code !== 'tensor_not_finite') throw error;
      federation.onFailure?.(silo, round, error);
      return { type: 'task-failed', at: 0, silo, taskId, code: error.code, message: error.message };
    }
  }

  async function combined(round: number): Promise<RunEvent> {
    const { aggregation, seed } = spec;
    const inOrder = [...updates];
    updates = new Map();
    try {
      const result = aggregate({
        method: aggregation.method,
        options: aggregation.options,
        round,
        seed,
        previous: memorySource(published),
        updates: inOrder.map(([silo, { tensors, examples }]) => ({
          silo,
          weight: aggregation.weighting === 'uniform' ? 1 : examples,
          tensors: memorySource(tensors),
        })),
        serverOptimizer: aggregation.serverOptimizer,
        robust: aggregation.robust,
        state: optimizerState && memorySource(optimizerState),
      });
      published = result.tensors;
      optimizerState = result.state;
      const trainLoss =
        inOrder.reduce((sum, [, { loss, examples }]) => sum + loss * examples, 0) /
        inOrder.reduce((sum, [, { examples }]) => sum + examples, 0);
      await federation.onVersion({
        version: round,
        tensors: published,
        merge: result.merge,
        round: { diagnostics: result.diagnostics, trainLoss },
      });
    } catch (thrown) {
      const { code, message } = asFedrotError(thrown);
      if (code !== 'tensor_not_finite') throw thrown;
      return { type: 'aggregation-failed', at: 0, round, code, message };
    }
    return { type: 'aggregated', at: 0, round };
  }
}
