import { encodeModel } from './ir/codec.js';
import { byteLength } from './ir/element-type.js';
import type { Model } from './ir/graph.js';
import { openRuntime, type Runtime } from './ort.js';
import type { SessionOptions } from './session-types.js';
import type { TrainerGraphs } from './trainer-graphs.js';
import { MANY_CLASSES } from './training-graph.js';

/** float32 matrices of at most so many bytes together count as small: MiniLM's do, BERT-base's do not. */
const SMALL_BYTES = 128 * 2 ** 20;

/** Bytes of the float32 matrices of a model. */
function matrixBytes({ graph }: Model): number {
  let sum = 0;
  for (const { type, dims } of graph.initializers.values())
    if (type === 'float' && dims.length === 2)
      sum += byteLength(
        type,
        dims.reduce((a, b) => a * b, 1),
      );
  return sum;
}

type Name = 'training' | 'prefix' | 'forward';

/**
 * The runtimes of a trainer's graphs, opened when they are first asked for. ONNX Runtime keeps what a run needed at most. Where the
 * matrices are not small, or logits have many classes, the runtimes of training are closed before that of the forward graph is opened,
 * and the other way round: memory is that of the larger, not of both.
 */
export class Runtimes {
  readonly #open = new Map<Name, Runtime>();
  readonly #small: boolean;
  readonly #together: boolean;

  constructor(
    private readonly graphs: TrainerGraphs,
    private readonly options: SessionOptions,
  ) {
    this.#small = matrixBytes(graphs.forward) <= SMALL_BYTES;
    this.#together = this.#small && graphs.classes < MANY_CLASSES;
  }

  get prepacking(): boolean {
    return this.options.prepacking ?? this.#small;
  }

  async training(): Promise<Runtime> {
    await this.#replace('training', ['forward']);
    return this.#get('training', this.graphs.split?.rest ?? this.graphs.training);
  }

  /** What computes the layers that are cached; stays open beside the one that takes its result. */
  async prefix(graph: Model): Promise<Runtime> {
    return this.#get('prefix', graph);
  }

  /** Always the same graph of one trainer. */
  async forward(graph: Model): Promise<Runtime> {
    await this.#replace('forward', ['training', 'prefix']);
    return this.#get('forward', graph);
  }

  async close(): Promise<void> {
    for (const name of [...this.#open.keys()]) await this.#close(name);
  }

  async #replace(next: Name, others: readonly Name[]): Promise<void> {
    if (this.#together || this.#open.has(next)) return;
    for (const other of others) await this.#close(other);
  }

  async #get(name: Name, model: Model): Promise<Runtime> {
    const known = this.#open.get(name);
    if (known !== undefined) return known;
    const { folder, threads = 1, spinning = false } = this.options;
    const { prepacking } = this;
    const runtime = await openRuntime(encodeModel(model), { folder, threads, spinning, prepacking });
    this.#open.set(name, runtime);
    return runtime;
  }

  async #close(name: Name): Promise<void> {
    await this.#open.get(name)?.close();
    this.#open.delete(name);
  }
}
