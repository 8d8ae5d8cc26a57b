import { FedrotError } from '../../errors.js';
import type { ElementType, Graph, Node, TensorValue } from '../ir/graph.js';
import { tensorNumbers } from '../ir/tensor-value.js';
import { positiveAxis, type Extent, type ValueTypes } from '../shapes/extent.js';
import type { Emitter } from './emitter.js';

/** What an attribute of each kind holds. */
interface AttributeValues {
  int: number;
  float: number;
  string: string;
  tensor: TensorValue;
  ints: readonly number[];
  floats: readonly number[];
  strings: readonly string[];
  graph: Graph;
}

/** What is known about constants. */
export interface Constants {
  /** The tensor behind a name if it is an initializer with its bytes at hand, else undefined. */
  constant(value: string): TensorValue | undefined;
  /** Any initializer, its bytes in memory or not. */
  stored(value: string): TensorValue | undefined;
}

/** A node as a rule sees it, with what is known of its values. */
export class NodeView {
  constructor(
    readonly node: Node,
    /** The operator's own version, e.g. 13 for Softmax at opset 18. */
    readonly version: number,
    readonly emit: Emitter,
    private readonly types: ValueTypes,
    private readonly constants: Constants,
  ) {}

  /** For messages: op, name, the model's opset and the operator's own version. */
  get where(): string {
    const { op, domain, name } = this.node;
    const prefix = domain === '' ? '' : `${domain}::`;
    return `${prefix}${op} node "${name}" (opset ${this.emit.opset} of ai.onnx, version ${this.version})`;
  }

  /** Throws op_unsupported with the node's name in front. */
  refuse(why: string): never {
    throw new FedrotError('op_unsupported', `${this.where}: ${why}`);
  }

  has(input: number): boolean {
    return (this.node.inputs[input] ?? '') !== '';
  }

  x(input: number): string {
    const name = this.node.inputs[input] ?? '';
    return name === '' ? this.refuse(`input ${input} is missing`) : name;
  }

  y(output: number): string {
    const name = this.node.outputs[output] ?? '';
    return name === '' ? this.refuse(`output ${output} is missing`) : name;
  }

  type(value: string): ElementType {
    return this.types.type(value);
  }

  dims(value: string): readonly Extent[] {
    return this.types.dims(value);
  }

  xDims(input: number): readonly Extent[] {
    return this.types.dims(this.x(input));
  }

  yDims(output = 0): readonly Extent[] {
    return this.types.dims(this.y(output));
  }

  rank(value: string): number {
    return this.types.dims(value).length;
  }

  attribute<K extends keyof AttributeValues>(name: string, kind: K): AttributeValues[K] | undefined {
    const attribute = this.node.attributes[name];
    if (attribute === undefined) return undefined;
    if (attribute.kind !== kind) return this.refuse(`attribute ${name} is ${attribute.kind}, not ${kind}`);
    return attribute.value as AttributeValues[K];
  }

  int(name: string, otherwise: number): number {
    return this.attribute(name, 'int') ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.attribute(name, 'float') ?? otherwise;
  }

  /** The initializer behind an input, its bytes in memory or not; undefined for what is computed. */
  stored(input: number): TensorValue | undefined {
    return this.has(input) ? this.constants.stored(this.x(input)) : undefined;
  }

  /** Numbers of a constant input, or undefined where it is left out or computed at run time. */
  numbers(input: number): number[] | undefined {
    if (!this.has(input)) return undefined;
    const value = this.constants.constant(this.x(input));
    return value === undefined ? undefined : tensorNumbers(value);
  }

  /**
   * Axes given as an attribute in old versions and as a constant input in new ones, counted from the front.
   * undefined where they are left out.
   */
  axes(input: number, rank: number): number[] | undefined {
    const listed = this.attribute('axes', 'ints') ?? this.numbers(input);
    if (listed === undefined && this.has(input)) return this.refuse('axes that are computed at run time');
    return listed?.map((axis) => positiveAxis(axis, rank));
  }
}
