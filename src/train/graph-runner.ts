import { FedrotError } from '../errors.js';
import { batchFeeds, countedLabels } from './batch-feeds.js';
import { IGNORED_LABEL } from './cross-entropy.js';
import { dropoutFeeds } from './dropout.js';
import type { Model } from './ir/graph.js';
import type { RuntimeTensor } from './ort.js';
import type { Parameter } from './parameters.js';
import type { ActivationStore } from './prefix/cache.js';
import { PrefixRunner } from './prefix/prefix-runner.js';
import { forwardRest, type PrefixSplit } from './prefix/split.js';
import { Runtimes } from './runtimes.js';
import type { Batch, EvaluateOptions, EvaluationResult, SessionOptions } from './session-types.js';
import { runtimeSizes } from './shapes/extent.js';
import type { TrainerGraphs } from './trainer-graphs.js';
import { gradientName, LOSS, LOSS_SUM, PREDICTED } from './training-graph.js';

/** A parameter with its numbers, as the graph takes them. */
export interface ParameterValue {
  readonly parameter: Parameter;
  readonly data: Float32Array;
}

/** A store of activations for what a split's prefix computes; used in evaluations too. */
export type OpenStore = (split: PrefixSplit) => ActivationStore;

/** Runs a trainer's graphs on batches: loss and gradients, scores, and the frozen layers that are cached. Holds no parameters. */
export class GraphRunner {
  readonly #prefixes: PrefixRunner | undefined;
  /** Takes the prefix's result as an input; only with a store of the caller's. */
  readonly #scoring: Model | undefined;
  readonly #runtimes: Runtimes;

  constructor(
    private readonly graphs: TrainerGraphs,
    private readonly options: SessionOptions,
    openStore?: OpenStore,
  ) {
    this.#runtimes = new Runtimes(graphs, options);
    const { split } = graphs;
    const { prefixCache } = options;
    if (split !== undefined && prefixCache !== undefined)
      this.#prefixes = new PrefixRunner(split, prefixCache, openStore?.(split));
    if (split !== undefined && openStore !== undefined) this.#scoring = forwardRest(graphs.forward, split);
  }

  get prepacked(): boolean {
    return this.#runtimes.prepacking;
  }

  /** The mean loss of a batch and its gradients, in the order of the trained parameters. */
  async gradients(
    batch: Batch,
    values: readonly ParameterValue[],
    dropoutSeed?: readonly (string | number)[],
  ): Promise<{ loss: number; gradients: Float32Array[] }> {
    const { training, inputs, split } = this.graphs;
    const names = values.flatMap(({ parameter }) =>
      parameter.trained ? [gradientName(parameter.input)] : [],
    );
    const graph = split?.rest ?? training;
    const runtime = await this.#runtimes.training();
    const sizes = runtimeSizes(inputs, (name) => batch.inputs[name]?.dims);
    const feeds = {
      ...this.#feeds(batch, values, graph),
      ...dropoutFeeds(graph.graph.inputs, this.options, sizes, dropoutSeed),
    };
    await this.#addPrefix(feeds, batch, values);
    const results = await runtime.run(feeds, [LOSS, ...names]);
    return {
      loss: Number(results[LOSS]?.data[0] ?? NaN),
      gradients: names.map((name) => {
        const data = results[name]?.data;
        if (data instanceof Float32Array) return data;
        throw new FedrotError('internal', `${name} is not float32`);
      }),
    };
  }

  async evaluate(
    batch: Batch,
    values: readonly ParameterValue[],
    options: EvaluateOptions = {},
  ): Promise<EvaluationResult> {
    const { forward, logits, loss } = this.graphs;
    const wanted = options.logits ?? true;
    const graph = this.#scoring ?? forward;
    const runtime = await this.#runtimes.forward(graph);
    const fed = this.#feeds(batch, values, graph);
    if (graph !== forward) await this.#addPrefix(fed, batch, values);
    const results = await runtime.run(fed, [
      ...(wanted ? [logits] : []),
      LOSS_SUM,
      ...(loss === 'cross-entropy' ? [PREDICTED] : []),
    ]);
    const output = results[logits];
    const predicted = (results[PREDICTED]?.data ?? new BigInt64Array()) as BigInt64Array;
    let correct = 0;
    batch.labels.data.forEach((label, i) => {
      if (label !== BigInt(IGNORED_LABEL) && predicted[i] === label) correct++;
    });
    const lossSum = Number(results[LOSS_SUM]?.data[0] ?? NaN);
    const data = Float32Array.from(output?.data ?? [], Number);
    const count = countedLabels(batch);
    return { lossSum, count, correct, predicted, logits: { dims: output?.dims ?? [], data } };
  }

  async fillPrefix(batch: Batch, values: readonly ParameterValue[]): Promise<boolean> {
    const { split } = this.graphs;
    if (split === undefined || this.#prefixes === undefined) return false;
    const feeds = this.#feeds(batch, values, split.prefix);
    return this.#prefixes.fill(batch, feeds, () => this.#runtimes.prefix(split.prefix));
  }

  async close(): Promise<void> {
    await this.#runtimes.close();
    this.#prefixes?.close();
  }

  #feeds(batch: Batch, values: readonly ParameterValue[], graph: Model): Record<string, RuntimeTensor> {
    const feeds = batchFeeds(this.graphs.inputs, batch, this.graphs);
    for (const { parameter, data } of values)
      feeds[parameter.input] = { type: 'float', dims: parameter.dims, data };
    // An input that the logits do not depend on is not part of the graph.
    const used = new Set(graph.graph.inputs.map(({ name }) => name));
    return Object.fromEntries(Object.entries(feeds).filter(([name]) => used.has(name)));
  }

  /** What the layers below the first adapted one give, where it is cached. */
  async #addPrefix(
    feeds: Record<string, RuntimeTensor>,
    batch: Batch,
    values: readonly ParameterValue[],
  ): Promise<void> {
    const { split } = this.graphs;
    if (split === undefined || this.#prefixes === undefined) return;
    const own = this.#feeds(batch, values, split.prefix);
    feeds[split.value] = await this.#prefixes.run(batch, own, () => this.#runtimes.prefix(split.prefix));
  }
}
