import type { Constants } from '../autodiff/node-view.js';
import type { Model, Node } from '../ir/graph.js';
import { tensorNumbers } from '../ir/tensor-value.js';
import { positiveAxis, type ValueTypes } from '../shapes/extent.js';

/** Highest power of a polynomial that is looked for: the tanh approximation of GELU has x³. */
const MAX_DEGREE = 3;

/** A value as a multiple of another. */
export interface Scaled {
  readonly base: string;
  readonly scale: number;
}

/** Coefficients, the constant term first. */
type Polynomial = readonly number[];

/** Reads a graph as expressions, so that a function is recognised however an exporter wrote it down. */
export class Expressions {
  readonly #producer = new Map<string, Node>();

  constructor(
    model: Model,
    readonly types: ValueTypes,
    private readonly constants: Constants,
  ) {
    for (const node of model.graph.nodes)
      for (const output of node.outputs) if (output !== '') this.#producer.set(output, node);
  }

  /** The node of ai.onnx that makes a value, if it is of that operator. */
  made(value: string, op: string): Node | undefined {
    const node = this.#producer.get(value);
    return node?.domain === '' && node.op === op ? node : undefined;
  }

  /** The number that a constant of one element holds. */
  scalar(value: string | undefined): number | undefined {
    const tensor = value === undefined ? undefined : this.constants.constant(value);
    if (tensor === undefined || tensor.dims.some((dim) => dim !== 1)) return undefined;
    return tensorNumbers(tensor)[0];
  }

  /** Takes constant factors off a value. Only those that keep its shape: of no more dimensions than it has. */
  peel(value: string): Scaled {
    const node = this.#producer.get(value);
    const [a = '', b = ''] = node?.inputs ?? [];
    const step = (base: string, factor: number | undefined): Scaled | undefined => {
      if (factor === undefined || !this.#sameShape(base, value)) return undefined;
      const inner = this.peel(base);
      return { base: inner.base, scale: inner.scale * factor };
    };
    const plain = { base: value, scale: 1 };
    if (node?.domain !== '') return plain;
    if (node.op === 'Mul') return step(a, this.scalar(b)) ?? step(b, this.scalar(a)) ?? plain;
    const divisor = node.op === 'Div' ? this.scalar(b) : undefined;
    return (divisor === undefined ? undefined : step(a, 1 / divisor)) ?? plain;
  }

  #sameShape(a: string, b: string): boolean {
    return this.types.dims(a).join() === this.types.dims(b).join();
  }

  /** A value as a polynomial in x, element by element; undefined where it is something else. */
  polynomial(value: string, x: string): Polynomial | undefined {
    if (value === x) return [0, 1];
    const number = this.scalar(value);
    if (number !== undefined) return [number];
    const node = this.#producer.get(value);
    if (node?.domain !== '') return undefined;
    const [left = '', right = ''] = node.inputs;
    const of = (input: string): Polynomial | undefined => this.polynomial(input, x);
    const [p, q] = [of(left), right === '' ? undefined : of(right)];
    if (p === undefined) return undefined;
    if (node.op === 'Neg') return times(p, [-1]);
    if (q === undefined) return undefined;
    switch (node.op) {
      case 'Add':
        return plus(p, q);
      case 'Sub':
        return plus(p, times(q, [-1]) ?? []);
      case 'Mul':
        return times(p, q);
      case 'Div':
        return q.length === 1 ? times(p, [1 / (q[0] ?? NaN)]) : undefined;
      case 'Pow':
        return power(p, q);
      default:
        return undefined;
    }
  }

  /** The mean over the last axis, that axis kept: the value it is taken of. */
  meanOfLast(value: string): string | undefined {
    const node = this.made(value, 'ReduceMean');
    const x = node?.inputs[0];
    if (node === undefined || x === undefined) return undefined;
    const { axes: attribute, keepdims } = node.attributes;
    if (keepdims?.kind === 'int' && keepdims.value === 0) return undefined;
    const tensor = this.constants.constant(node.inputs[1] ?? '');
    const axes = attribute?.kind === 'ints' ? attribute.value : tensor && tensorNumbers(tensor);
    const rank = this.types.dims(x).length;
    return axes?.length === 1 && positiveAxis(axes[0] ?? 0, rank) === rank - 1 ? x : undefined;
  }

  /** What is squared, as x · x or x². */
  squared(value: string): string | undefined {
    const product = this.made(value, 'Mul');
    if (product !== undefined && product.inputs[0] === product.inputs[1]) return product.inputs[0];
    const node = this.made(value, 'Pow');
    return node !== undefined && this.scalar(node.inputs[1]) === 2 ? node.inputs[0] : undefined;
  }
}

function plus(p: Polynomial, q: Polynomial): Polynomial {
  return Array.from({ length: Math.max(p.length, q.length) }, (_, i) => (p[i] ?? 0) + (q[i] ?? 0));
}

function times(p: Polynomial, q: Polynomial): Polynomial | undefined {
  if (p.length + q.length - 2 > MAX_DEGREE) return undefined;
  const product = new Array<number>(p.length + q.length - 1).fill(0);
  p.forEach((a, i) => q.forEach((b, k) => (product[i + k]! += a * b)));
  return product;
}

function power(p: Polynomial, exponent: Polynomial): Polynomial | undefined {
  const [n = NaN] = exponent;
  if (exponent.length !== 1 || !Number.isInteger(n) || n < 1 || n > MAX_DEGREE) return undefined;
  let result: Polynomial | undefined = p;
  for (let i = 1; i < n; i++) result = result === undefined ? undefined : times(result, p);
  return result;
}

/** Equal but for float32 rounding and the few digits that sources write constants with. */
export function nearly(values: readonly number[] | undefined, wanted: readonly number[]): boolean {
  if (values === undefined) return false;
  const length = Math.max(values.length, wanted.length);
  return Array.from({ length }, (_, i) => [values[i] ?? 0, wanted[i] ?? 0] as const).every(
    ([a, b]) => Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(b), 0.1),
  );
}
