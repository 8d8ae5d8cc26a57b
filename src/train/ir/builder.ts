import { FedrotError } from '../../errors.js';
import type { Attribute, Dim, ElementType, Graph, Model, Node, TensorValue, ValueInfo } from './graph.js';

export type Attributes = Readonly<Record<string, Attribute>>;

export interface BuilderOptions {
  readonly name?: string;
  /** Opset version of the standard domain; default 18. */
  readonly opset?: number;
  /** Default 10 (onnx 1.16); ONNX Runtime reads it and every older one. */
  readonly irVersion?: number;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** com.microsoft has one version. */
const CONTRIB_DOMAIN = 'com.microsoft';

/** Builds a Model node by node, in topological order; names of values are made unique by themselves. */
export class GraphBuilder {
  readonly #name: string;
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, TensorValue>();
  readonly #inputs: ValueInfo[] = [];
  readonly #outputs: ValueInfo[] = [];
  readonly #opsets = new Map<string, number>();
  readonly #irVersion: number;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #defined = new Set<string>();
  readonly #reserved = new Set<string>();
  readonly #nodeNames = new Set<string>();
  readonly #counters = new Map<string, number>();

  constructor(options: BuilderOptions = {}) {
    this.#name = options.name ?? 'graph';
    this.#irVersion = options.irVersion ?? 10;
    this.#metadata = options.metadata ?? {};
    this.#opsets.set('', options.opset ?? 18);
  }

  /**
   * A builder that continues a model: its opsets, initializers and inputs, its nodes and outputs unless others are given.
   * Fresh names avoid every name of the model, also of nodes that are left out (they may be appended later).
   */
  static from(
    model: Model,
    parts: { nodes?: readonly Node[]; outputs?: readonly ValueInfo[] } = {},
  ): GraphBuilder {
    const { graph } = model;
    const { nodes = graph.nodes, outputs = graph.outputs } = parts;
    const builder = new GraphBuilder({
      name: graph.name,
      irVersion: model.irVersion,
      metadata: model.metadata,
    });
    for (const [domain, version] of model.opsets) builder.#opsets.set(domain, version);
    for (const [name, value] of graph.initializers) builder.initializer(name, value);
    for (const input of graph.inputs) {
      builder.#define(input.name);
      builder.#inputs.push(input);
    }
    for (const node of graph.nodes) {
      for (const output of node.outputs) builder.#reserved.add(output);
      if (node.name !== '') builder.#nodeNames.add(node.name);
    }
    for (const node of nodes) builder.append(node);
    builder.#outputs.push(...outputs);
    return builder;
  }

  /** Opset version of the standard domain. */
  get opset(): number {
    return this.#opsets.get('') ?? 0;
  }

  /** True where a value of that name is defined. */
  has(name: string): boolean {
    return this.#defined.has(name);
  }

  /** A name that no value has, beginning with `hint`. */
  fresh(hint: string): string {
    for (;;) {
      const count = this.#counters.get(hint) ?? 0;
      this.#counters.set(hint, count + 1);
      const name = count === 0 ? hint : `${hint}_${count}`;
      if (!this.#defined.has(name) && !this.#reserved.has(name)) return name;
    }
  }

  #define(name: string): string {
    if (name === '' || this.#defined.has(name))
      throw new FedrotError(
        'internal',
        `graph ${this.#name}: value "${name}" is defined twice or has no name`,
      );
    this.#defined.add(name);
    return name;
  }

  input(name: string, type: ElementType, dims: readonly Dim[]): string {
    this.#inputs.push({ name: this.#define(name), type, dims });
    return name;
  }

  initializer(name: string, value: TensorValue): string {
    this.#initializers.set(this.#define(name), value);
    return name;
  }

  /** An initializer with a name of its own making. */
  constant(value: TensorValue, hint = 'const'): string {
    return this.initializer(this.fresh(hint), value);
  }

  /** A finished node, as it is. */
  append(node: Node): void {
    for (const output of node.outputs) if (output !== '') this.#define(output);
    if (!this.#opsets.has(node.domain)) this.#opsets.set(node.domain, 1);
    if (node.name !== '') this.#nodeNames.add(node.name);
    this.#nodes.push(node);
  }

  /** ONNX Runtime refuses two nodes of one name. */
  #nodeName(hint: string): string {
    let name = hint;
    for (let i = 1; this.#nodeNames.has(name); i++) name = `${hint}#${i}`;
    return name;
  }

  /**
   * Adds a node and returns the name of its output. `type` is the op, with its domain where that is not ai.onnx:
   * `com.microsoft::FusedMatMul`. `outputs`: how many, or their names; default one with a made-up name.
   * '' among the inputs leaves an optional input out.
   */
  op(type: string, inputs: readonly string[], attributes?: Attributes, output?: string): string;
  op(
    type: string,
    inputs: readonly string[],
    attributes: Attributes,
    outputs: number | readonly string[],
  ): string[];
  op(
    type: string,
    inputs: readonly string[],
    attributes: Attributes = {},
    outputs?: string | number | readonly string[],
  ): string | string[] {
    const separator = type.indexOf('::');
    const domain = separator < 0 ? '' : type.slice(0, separator);
    const op = separator < 0 ? type : type.slice(separator + 2);
    if (domain !== '' && domain !== CONTRIB_DOMAIN && !this.#opsets.has(domain))
      throw new FedrotError('internal', `graph ${this.#name}: unknown operator domain ${domain}`);
    for (const input of inputs)
      if (input !== '' && !this.#defined.has(input))
        throw new FedrotError(
          'internal',
          `graph ${this.#name}: ${op} uses "${input}", which is not defined (yet)`,
        );
    const names =
      typeof outputs === 'string'
        ? [outputs]
        : typeof outputs === 'object'
          ? [...outputs]
          : Array.from({ length: outputs ?? 1 }, () => this.fresh(op));
    const node = {
      op,
      domain,
      name: this.#nodeName(names[0] ?? op),
      inputs: [...inputs],
      outputs: names,
      attributes,
    };
    this.append(node);
    return typeof outputs === 'number' || typeof outputs === 'object' ? names : (names[0] ?? '');
  }

  /** Makes a value an output of the graph. */
  output(name: string, type: ElementType, dims: readonly Dim[]): string {
    if (!this.#defined.has(name))
      throw new FedrotError('internal', `graph ${this.#name}: output "${name}" is not defined`);
    this.#outputs.push({ name, type, dims });
    return name;
  }

  graph(): Graph {
    return {
      name: this.#name,
      nodes: [...this.#nodes],
      initializers: new Map(this.#initializers),
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
    };
  }

  build(): Model {
    return {
      graph: this.graph(),
      opsets: new Map(this.#opsets),
      irVersion: this.#irVersion,
      metadata: this.#metadata,
    };
  }
}
