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
  /** Whether it adds a bias; default true. */
  readonly bias?: boolean;
  /** How the checkpoint holds the weight: out × in (PyTorch's Linear, default) or in × out (GPT-2's Conv1D). */
  readonly stored?: 'out_in' | 'in_out';
}

export interface RmsNormOptions {
  readonly size: number;
  readonly epsilon: number;
  /** What is added to the checkpoint's weight: 1 for Gemma, which stores the difference from 1. */
  readonly offset: number;
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
    const { in: inner, out, bias = true, stored = 'out_in' } = options;
    const { weight, offset } = this.#linearWeights(name, options);
    const transposed = stored === 'out_in';
    const w = this.graph.initializer(
      `${name}.weight`,
      this.sink([inner, out], transposed ? transpose(weight, out, inner) : weight),
    );
    const b = bias ? this.graph.initializer(`${name}.bias`, this.sink([out], offset())) : undefined;
    this.#adaptable.push({ name, in: inner, out, weight: { initializer: w, layout: 'in_out' } });
    const shape = transposed ? [out, inner] : [inner, out];
    const tensors = [{ parameter: 'weight', initializer: w, shape, transposed }];
    if (b !== undefined) tensors.push({ parameter: 'bias', initializer: b, shape: [out], transposed: false });
    this.#dense.push({ name, tensors });
    const product = this.graph.op('MatMul', [x, w]);
    return b === undefined ? product : this.graph.op('Add', [product, b]);
  }

  /** From the checkpoint, or made anew where that is allowed. */
  #linearWeights(
    name: string,
    { in: inner, out, missing = 'refuse', stored = 'out_in' }: LinearOptions,
  ): { readonly weight: Float32Array; readonly offset: () => Float32Array } {
    if (missing === 'make' && this.weights.isMade(name)) {
      const made = this.weights.make(name, [out, inner]);
      return { weight: made.weight, offset: () => made.bias };
    }
    const shape = stored === 'out_in' ? [out, inner] : [inner, out];
    return {
      weight: this.weights.read(`${name}.weight`, shape),
      offset: () => this.weights.read(`${name}.bias`, [out]),
    };
  }

  /**
   * Scores of the rows of a table that is also the embedding (tied weights): x · Tᵀ, x batch × sequence × size. The table
   * stays as it lies, out × in: Gemm reads it so, and one copy serves both. Adaptable; not trainable in full.
   */
  tiedHead(name: string, x: string, table: string, [rows, size]: readonly [number, number]): string {
    const g = this.graph;
    this.#adaptable.push({ name, in: size, out: rows, weight: { initializer: table, layout: 'out_in' } });
    const flat = g.op('Reshape', [x, this.vector([-1, size])]);
    const scores = g.op('Gemm', [flat, table], { transB: int(1) });
    const shape = g.op('Concat', [g.op('Shape', [x], { end: int(2) }), this.vector([rows])], {
      axis: int(0),
    });
    return g.op('Reshape', [scores, shape]);
  }

  /** Layer normalization over the last axis. */
  layerNorm(name: string, x: string, size: number, epsilon: number): string {
    const scale = this.weight(`${name}.weight`, [size]);
    const bias = this.weight(`${name}.bias`, [size]);
    return this.graph.op('LayerNormalization', [x, scale, bias], { axis: int(-1), epsilon: float(epsilon) });
  }

  /**
   * RMS normalization over the last axis (arXiv 1910.07467): x / √(mean(x²) + epsilon) · (weight + offset). The op has one
   * name in every ONNX Runtime; ONNX itself knows it only from opset 23 on, as RMSNormalization.
   */
  rmsNorm(name: string, x: string, options: RmsNormOptions): string {
    const { size, epsilon, offset } = options;
    const weight = this.weights.read(`${name}.weight`, [size]);
    const scale = offset === 0 ? weight : weight.map((value) => value + offset);
    return this.graph.op(
      'SimplifiedLayerNormalization',
      [x, this.graph.initializer(`${name}.weight`, this.sink([size], scale))],
      { axis: int(-1), epsilon: float(epsilon) },
    );
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
