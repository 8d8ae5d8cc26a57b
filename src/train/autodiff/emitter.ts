import { FedrotError } from '../../errors.js';
import { float, int, ints } from '../ir/attributes.js';
import type { Attributes, GraphBuilder } from '../ir/builder.js';
import type { ElementType, TensorValue } from '../ir/graph.js';
import { elementTypeCode } from '../ir/element-type.js';
import { doubleTensor, int64Vector, scalarTensor } from '../ir/tensor-value.js';
import { isStatic, type Extent } from '../shapes/extent.js';

/**
 * Emits the nodes that gradients are made of, in the form that the graph's opset asks for. Values are named by the
 * builder; equal constants and Shape nodes are made once. Nothing here knows about rules.
 */
export class Emitter {
  readonly #memo = new Map<string, string>();
  /** Values that `scale` made: products take the factor in for nothing. */
  readonly #scaled = new Map<string, { readonly value: string; readonly factor: number }>();

  /** `prefix` begins the names of what is emitted. */
  constructor(
    readonly builder: GraphBuilder,
    private readonly prefix = 'grad',
  ) {
    if (builder.opset < 11)
      throw new FedrotError(
        'model_unsupported',
        `the model is at opset ${builder.opset}; training needs 11 or newer: export it again with a newer opset`,
      );
  }

  get opset(): number {
    return this.builder.opset;
  }

  op(type: string, inputs: readonly string[], attributes: Attributes = {}): string {
    return this.builder.op(type, inputs, attributes, this.builder.fresh(`${this.prefix}/${type}`));
  }

  #once(key: string, make: () => string): string {
    let name = this.#memo.get(key);
    if (name === undefined) this.#memo.set(key, (name = make()));
    return name;
  }

  /** What `make` emits, made once for a key. */
  shared(key: string, make: () => string): string {
    return this.#once(key, make);
  }

  constant(value: TensorValue, hint = `${this.prefix}/const`): string {
    return this.builder.constant(value, hint);
  }

  /** A rank-0 constant of a floating type; 16-bit types go through a Cast. */
  scalar(type: ElementType, value: number): string {
    return this.#once(`scalar ${type} ${Object.is(value, -0) ? '-0' : value}`, () => {
      if (type === 'float' || type === 'double' || type === 'int64' || type === 'int32' || type === 'float16')
        return this.constant(scalarTensor(type, value));
      return this.cast(this.constant(doubleTensor([], [value])), type);
    });
  }

  /** A constant int64 vector. */
  vector(values: readonly number[]): string {
    return this.#once(`vector ${values.join(',')}`, () => this.constant(int64Vector(values)));
  }

  cast(value: string, type: ElementType): string {
    return this.op('Cast', [value], { to: int(elementTypeCode(type)) });
  }

  add = (a: string, b: string): string => this.op('Add', [a, b]);
  sub = (a: string, b: string): string => this.op('Sub', [a, b]);
  mul = (a: string, b: string): string => this.op('Mul', [a, b]);
  div = (a: string, b: string): string => this.op('Div', [a, b]);
  neg = (a: string): string => this.op('Neg', [a]);

  /** value × factor, where factor 1 costs nothing. */
  scale(value: string, factor: number, type: ElementType): string {
    if (factor === 1) return value;
    const product = this.mul(value, this.scalar(type, factor));
    this.#scaled.set(product, { value, factor });
    return product;
  }

  /** The run-time shape as an int64 vector; a constant where it is known. */
  shape(value: string, dims: readonly Extent[]): string {
    return isStatic(dims) ? this.vector(dims) : this.#once(`shape ${value}`, () => this.op('Shape', [value]));
  }

  /** One run-time dimension as an int64 vector of one. */
  dim(value: string, dims: readonly Extent[], axis: number): string {
    const extent = dims[axis];
    if (typeof extent === 'number') return this.vector([extent]);
    return this.#once(`dim ${value} ${axis}`, () =>
      this.op('Gather', [this.shape(value, dims), this.vector([axis])], { axis: int(0) }),
    );
  }

  /** Reshape to a run-time shape. Zero means zero from opset 14 on; before, it copies the input's dimension. */
  reshape(value: string, shape: string): string {
    return this.op('Reshape', [value, shape], this.opset >= 14 ? { allowzero: int(1) } : {});
  }

  /** Reshape to the shape of another value. */
  reshapeLike(value: string, like: string, dims: readonly Extent[]): string {
    return this.reshape(value, this.shape(like, dims));
  }

  transpose(value: string, perm: readonly number[]): string {
    return perm.every((axis, i) => axis === i) ? value : this.op('Transpose', [value], { perm: ints(perm) });
  }

  expand(value: string, shape: string): string {
    return this.op('Expand', [value, shape]);
  }

  zeros(shape: string, type: ElementType): string {
    return this.expand(this.scalar(type, 0), shape);
  }

  unsqueeze(value: string, axes: readonly number[]): string {
    if (axes.length === 0) return value;
    return this.opset >= 13
      ? this.op('Unsqueeze', [value, this.vector(axes)])
      : this.op('Unsqueeze', [value], { axes: ints(axes) });
  }

  squeeze(value: string, axes: readonly number[]): string {
    if (axes.length === 0) return value;
    return this.opset >= 13
      ? this.op('Squeeze', [value, this.vector(axes)])
      : this.op('Squeeze', [value], { axes: ints(axes) });
  }

  reduceSum(value: string, axes: readonly number[], keepDims: boolean): string {
    if (axes.length === 0) return value;
    const keepdims = int(keepDims ? 1 : 0);
    return this.opset >= 13
      ? this.op('ReduceSum', [value, this.vector(axes)], { keepdims })
      : this.op('ReduceSum', [value], { axes: ints(axes), keepdims });
  }

  reduceMean(value: string, axes: readonly number[], keepDims: boolean): string {
    if (axes.length === 0) return value;
    const keepdims = int(keepDims ? 1 : 0);
    return this.opset >= 18
      ? this.op('ReduceMean', [value, this.vector(axes)], { keepdims })
      : this.op('ReduceMean', [value], { axes: ints(axes), keepdims });
  }

  reduceMax(value: string, axes: readonly number[], keepDims: boolean): string {
    const keepdims = int(keepDims ? 1 : 0);
    return this.opset >= 18
      ? this.op('ReduceMax', [value, this.vector(axes)], { keepdims })
      : this.op('ReduceMax', [value], { axes: ints(axes), keepdims });
  }

  /** 0, 1, …, size − 1 as an int64 vector; `size` is an int64 vector of one. */
  range(size: string): string {
    return this.op('Range', [this.scalar('int64', 0), this.squeeze(size, [0]), this.scalar('int64', 1)]);
  }

  /** Indices as ONNX reads them: negative ones count from the end. `size` is an int64 vector of one. */
  fromFront(index: string, size: string): string {
    return this.op('Where', [this.op('Less', [index, this.vector([0])]), this.add(index, size), index]);
  }

  /**
   * 1 where the position along the new axis is the index, else 0. `rank` is that of `index`, `axis` where the new one goes.
   * (ONNX Runtime's OneHot has no float64 kernel.)
   */
  oneHot(index: string, rank: number, axis: number, size: string, type: ElementType): string {
    const trailing = Array.from({ length: rank - axis }, (_, i) => i + 1);
    const positions = this.unsqueeze(this.range(size), trailing);
    return this.cast(
      this.op('Equal', [this.unsqueeze(this.fromFront(index, size), [axis]), positions]),
      type,
    );
  }

  /** int64 vectors one behind the other. */
  join(vectors: readonly string[]): string {
    return vectors.length === 1 ? (vectors[0] ?? '') : this.op('Concat', vectors, { axis: int(0) });
  }

  /** Slice with int64 vectors as starts and ends, step 1. */
  slice(value: string, starts: string, ends: string, axes: readonly number[]): string {
    return this.op('Slice', [value, starts, ends, this.vector(axes)]);
  }

  /**
   * alpha · op(a) · op(b), where op transposes the last two dimensions. float32 uses com.microsoft.FusedMatMul, which reads a
   * transposed operand as it lies: a Transpose of a constant weight would be folded into a second copy of it.
   */
  matmul(
    a: string,
    b: string,
    { type, ranks, transA = false, transB = false, alpha = 1 }: MatMulOptions,
  ): string {
    const [scaledA, scaledB] = [this.#scaled.get(a), this.#scaled.get(b)];
    if (type === 'float' && (scaledA ?? scaledB) !== undefined)
      return this.matmul(scaledA?.value ?? a, scaledB?.value ?? b, {
        type,
        ranks,
        transA,
        transB,
        alpha: alpha * (scaledA?.factor ?? 1) * (scaledB?.factor ?? 1),
      });
    if (!transA && !transB && alpha === 1) return this.op('MatMul', [a, b]);
    if (type === 'float')
      return this.op('com.microsoft::FusedMatMul', [a, b], {
        alpha: float(alpha),
        transA: int(transA ? 1 : 0),
        transB: int(transB ? 1 : 0),
      });
    const left = transA ? this.transpose(a, swapLast(ranks[0])) : a;
    const right = transB ? this.transpose(b, swapLast(ranks[1])) : b;
    return this.scale(this.op('MatMul', [left, right]), alpha, type);
  }

  /** Sums a gradient of shape `from` over the dimensions along which a value of shape `to` was broadcast. */
  sumTo(
    gradient: string,
    from: readonly Extent[],
    to: readonly Extent[],
    value: string,
    where: string,
  ): string {
    const lead = from.length - to.length;
    const axes = Array.from({ length: lead }, (_, i) => i);
    to.forEach((extent, i) => {
      const wide = from[lead + i];
      if (extent === wide) return;
      if (extent !== 1)
        throw new FedrotError(
          'op_unsupported',
          `${where}: cannot tell whether dimension ${i} of ${value} (${extent}) is broadcast to ${String(wide)}`,
        );
      axes.push(lead + i);
    });
    if (axes.length === 0) return gradient;
    const summed = this.reduceSum(gradient, axes, true);
    return lead === 0 ? summed : this.squeeze(summed, axes.slice(0, lead));
  }
}

export interface MatMulOptions {
  readonly type: ElementType;
  readonly ranks: readonly [number, number];
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly alpha?: number;
}

/** The permutation that swaps the last two of `rank` dimensions. */
function swapLast(rank: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return [...perm.slice(0, -2), rank - 1, rank - 2];
}
