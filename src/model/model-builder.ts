import { float, int } from '../train/ir/attributes.js';
import { GraphBuilder } from '../train/ir/builder.js';
import type { Model } from '../train/ir/graph.js';
import { floatTensor, int64Vector } from '../train/ir/tensor-value.js';
import type { AdaptableModule, DenseModule } from '../train/modules.js';
import { transpose } from './transpose.js';
import type { WeightSink } from './weight-sink.js';
import type { Missing, WeightSource } from './weight-source.js';

export interface LinearOptions {
  readonly in: number;
  readonly out: number;
  /** Whether the module may be drawn at random where the checkpoint has none; default refuse. */
  readonly missing?: Missing;
}

/**
 * Builds a transformer's ONNX graph module by module from a checkpoint, and notes where each module lies.
 * Modules have the names that transformers gives them in the whole model, which are PEFT's.
 */
export class ModelBuilder {
  readonly graph = new GraphBuilder({ name: 'model' });
  readonly #adaptable: AdaptableModule[] = [];
  readonly #dense: DenseModule[] = [];

  constructor(
    readonly weights: WeightSource,
    readonly sink: WeightSink,
  ) {}

  get adaptable(): readonly AdaptableModule[] {
    return this.#adaptable;
  }

  get dense(): readonly DenseModule[] {
    return this.#dense;
  }

  build(): Model {
    return this.graph.build();
  }

  /** A weight as the checkpoint has it. */
  weight(name: string, dims: readonly number[]): string {
    return this.graph.initializer(name, this.sink(dims, this.weights.read(name, dims)));
  }

  /**
   * x · Wᵀ + b over the last axis; W is stored in × out, which is how MatMul wants it. Adaptable, and
   * trainable in full.
   */
  linear(name: string, x: string, options: LinearOptions): string {
    const { in: inner, out, missing = 'refuse' } = options;
    const { weight, bias } = this.weights.linear(name, [out, inner], missing);
    const w = this.graph.initializer(
      `${name}.weight`,
      this.sink([inner, out], transpose(weight, out, inner)),
    );
    const b = this.graph.initializer(`${name}.bias`, this.sink([out], bias));
    this.#adaptable.push({ name, in: inner, out, weight: { initializer: w, layout: 'in_out' } });
    this.#dense.push({
      name,
      tensors: [
        { parameter: 'weight', initializer: w, shape: [out, inner], transposed: true },
        { parameter: 'bias', initializer: b, shape: [out], transposed: false },
      ],
    });
    return this.graph.op('Add', [this.graph.op('MatMul', [x, w]), b]);
  }

  /** Layer normalization over the last axis. */
  layerNorm(name: string, x: string, size: number, epsilon: number): string {
    const scale = this.weight(`${name}.weight`, [size]);
    const bias = this.weight(`${name}.bias`, [size]);
    return this.graph.op('LayerNormalization', [x, scale, bias], { axis: int(-1), epsilon: float(epsilon) });
  }

  /** Rows of a table by id: ids … → … × size. */
  embedding(name: string, ids: string, [rows, size]: readonly [number, number]): string {
    return this.graph.op('Gather', [this.weight(`${name}.weight`, [rows, size]), ids], { axis: int(0) });
  }

  scalar(value: number): string {
    return this.graph.constant(floatTensor([], [value]));
  }

  vector(values: readonly number[]): string {
    return this.graph.constant(int64Vector(values));
  }
}
