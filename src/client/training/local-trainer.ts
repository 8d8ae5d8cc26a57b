import type { SiloInstructions } from '../../align/types.js';
import { systemClock, type Clock } from '../../clock.js';
import { FedrotError } from '../../errors.js';
import type { Bundle } from '../../model/bundle.js';
import { checkTask } from '../../model/check-task.js';
import type { RunSpec } from '../../run-spec.js';
import type { NamedTensor } from '../../tensor/tensor.js';
import type { TrainSession } from '../../train/session-types.js';
import type { DataPart } from '../data/data-set.js';
import { EncodedExamples } from './encoded-examples.js';
import { inBatches } from './plan-batches.js';
import { fillPrefixes, prefixOptions, type PrefixCacheSettings } from './prefix-plan.js';
import { taskEncoder, type EncoderOptions, type TaskEncoder } from './task-encoder.js';
import { taskMetrics, type TaskScores } from './task-metrics.js';
import { trainSteps, type StepProgress } from './train-steps.js';
import type { CheckpointStore } from './training-checkpoint.js';
import { SessionCache, type OpenSession, type SessionResources } from './session-cache.js';

export interface TaskInput {
  readonly bundle: Bundle;
  readonly spec: RunSpec;
  /** The global adapter: every LoRA factor and head, PEFT's names. */
  readonly adapter: readonly NamedTensor[];
  readonly data: DataPart;
  /** Ends the work after the step under way; the promise rejects with cancelled. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: StepProgress) => void;
}

export interface TrainInput extends TaskInput {
  readonly instructions: SiloInstructions;
  /** Of the run, from 1: schedules that fall over the whole run need it. */
  readonly round: number;
  /** What the order of the examples is drawn from: the run's seed, the silo's name, the round. */
  readonly seed: readonly (string | number)[];
  /** Where this training may have been interrupted before, and is kept meanwhile; default nowhere. */
  readonly checkpoints?: CheckpointStore;
}

export interface TrainResult {
  /** In order of name. */
  readonly tensors: NamedTensor[];
  /** Examples that the silo trains on, each counted once however often it was drawn: n_i of FedAvg's weights (1602.05629). */
  readonly examples: number;
  readonly metrics: {
    /** Mean over all labels of all steps; nats. */
    readonly loss: number;
    readonly steps: number;
    /** Wall time of the steps. */
    readonly seconds: number;
    /** Without padding. */
    readonly tokens: number;
  };
}

export interface EvaluateResult extends TaskScores {
  readonly examples: number;
  /** Mean over all labels: nats, or squared for a regression. */
  readonly loss: number;
}

/** What a silo does with its data; a daemon and the simulation use the same. */
export interface Trainer {
  train(input: TrainInput): Promise<TrainResult>;
  evaluate(input: TaskInput): Promise<EvaluateResult>;
  close(): Promise<void>;
}

export interface LocalTrainerOptions extends SessionResources {
  readonly open: OpenSession;
  readonly clock?: Clock;
  /** Default: nothing is cached. */
  readonly prefixCache?: PrefixCacheSettings;
}

/**
 * Trains and evaluates on ONNX Runtime, one task at a time. The session stays open between tasks that want the same model,
 * and tokenized examples are kept. Everything that is random comes from `seed`; the same machine, thread count and inputs
 * give the same numbers.
 */
export class LocalTrainer implements Trainer {
  readonly #sessions: SessionCache;
  readonly #clock: Clock;
  readonly #prefixCache: PrefixCacheSettings | undefined;
  /** Whose frozen layers a session has computed already. */
  readonly #filled = new WeakMap<TrainSession, EncodedExamples>();
  #encoded = new WeakMap<
    DataPart['examples'],
    { readonly key: string; readonly examples: EncodedExamples }
  >();

  constructor({ open, clock = systemClock, prefixCache, ...resources }: LocalTrainerOptions) {
    this.#sessions = new SessionCache(open, resources);
    this.#clock = clock;
    this.#prefixCache = prefixCache;
  }

  /**
   * Runs a round's optimizer steps from the given adapter, with a fresh optimizer, or goes on where it was interrupted. Throws data_unknown_label,
   * config_invalid where run and bundle do not fit, tensor_not_finite where training diverges, cancelled.
   */
  async train(input: TrainInput): Promise<TrainResult> {
    const { bundle, spec, data, instructions } = input;
    const encoded = await this.#encode(input);
    await encoded.ready(input.signal);
    if (encoded.count === 0)
      throw new FedrotError('data_empty', `${data.path}: holds no text that anything could be learnt from`);
    const prefixCache = prefixOptions(this.#prefixCache, spec, encoded.count);
    const session = await this.#sessions.get({
      bundle,
      lora: spec.lora,
      train: instructions.train,
      prefixCache,
      task: spec.task,
    });
    return this.#guard(async () => {
      await session.load(input.adapter);
      if (prefixCache !== undefined) await this.#fill(session, encoded, input.signal);
      const from = await input.checkpoints?.load();
      if (from === undefined) await session.resetOptimizer(spec.training.optimizer);
      else await session.restoreState({ ...from.state, anchor: input.adapter });
      const { loss, labels, ...metrics } = await trainSteps(session, encoded, {
        ...input,
        from,
        clock: this.#clock,
      });
      finite(loss, 'the loss');
      return {
        tensors: await session.read(),
        examples: data.examples.length,
        metrics: { loss: loss / labels, ...metrics },
      };
    });
  }

  /** Scores the adapter on all examples. Throws as train does. */
  async evaluate(input: TaskInput): Promise<EvaluateResult> {
    const { bundle, spec, data, signal, onProgress } = input;
    const encoded = await this.#encode(input);
    await encoded.encodeAll(signal);
    if (encoded.count === 0)
      throw new FedrotError('data_empty', `${data.path}: holds no text that could be scored`);
    const session = await this.#sessions.get({ bundle, lora: spec.lora });
    return this.#guard(async () => {
      await session.load(input.adapter);
      const metrics = taskMetrics(spec.task);
      const batches = inBatches(encoded.byLength(), spec.training.batchSize);
      let lossSum = 0;
      let count = 0;
      for (const [index, batch] of batches.entries()) {
        throwIfAborted(signal);
        const begun = this.#clock.now();
        const fed = encoded.batch(batch);
        // The scores of every token of the vocabulary are large, and nothing here needs them.
        const result = await session.evaluate(fed, { logits: spec.task.kind === 'text-regression' });
        lossSum += result.lossSum;
        count += result.count;
        metrics.add(result, fed.labels);
        onProgress?.({
          step: index + 1,
          totalSteps: batches.length,
          loss: lossSum / count,
          tokens: tokensOf(encoded, batch),
          seconds: (this.#clock.now() - begun) / 1000,
        });
      }
      const loss = finite(lossSum / count, 'the loss on the test set');
      return { examples: data.examples.length, loss, ...metrics.scores(loss) };
    });
  }

  async close(): Promise<void> {
    await this.#sessions.close();
  }

  async #fill(session: TrainSession, encoded: EncodedExamples, signal?: AbortSignal): Promise<void> {
    if (this.#filled.get(session) === encoded) return;
    await encoded.encodeAll(signal);
    await fillPrefixes(session, encoded, () => throwIfAborted(signal));
    this.#filled.set(session, encoded);
  }

  async #encode(input: TaskInput): Promise<EncodedExamples> {
    const { bundle, spec, data } = input;
    const makeEncoder = prepare(input);
    const key = JSON.stringify([bundle.sha256, spec.task]);
    const known = this.#encoded.get(data.examples);
    if (known?.key === key) return known.examples;
    const encoder = makeEncoder({
      tokenizer: await bundle.openTokenizer(),
      endId: bundle.manifest.tokenizer.endIds[0],
    });
    const encoded = new EncodedExamples(data.examples.length, encoder, bundle, spec.task.maxTokens);
    this.#encoded.set(data.examples, { key, examples: encoded });
    return encoded;
  }

  /** A session in which something failed is not used again. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FedrotError && error.code === 'cancelled')) await this.#sessions.close();
      throw error;
    }
  }
}

/** What can be refused before anything costs time; returns what makes the encoder. */
function prepare({ bundle, spec, data }: TaskInput): (options: EncoderOptions) => TaskEncoder {
  checkTask(bundle, spec.task);
  if (data.examples.length === 0) throw new FedrotError('data_empty', `${data.path}: holds no examples`);
  return taskEncoder(spec.task, data);
}

/** Without padding. */
function tokensOf(encoded: EncodedExamples, batch: readonly number[]): number {
  return batch.reduce((sum, index) => sum + encoded.lengthOf(index), 0);
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new FedrotError('cancelled', 'the task was cancelled');
}

function finite(value: number, what: string): number {
  if (Number.isFinite(value)) return value;
  throw new FedrotError(
    'tensor_not_finite',
    `${what} is ${value}: training diverged; a lower learning rate may help`,
  );
}
