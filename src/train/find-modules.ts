import type { Model, Node, TensorValue } from './ir/graph.js';
import { matchReference, type ReferenceWeights, type WeightMatch } from './match-weights.js';
import { exportedAs, nameFromGraph, unwrapped, wrapperOf, type NameSource } from './module-names.js';
import type { AdaptableModule, DenseModule } from './modules.js';
import { matrixDims, numberOf, readersOf, usesOfWeight, type OtherUse } from './weight-uses.js';

/** A linear layer of an ONNX graph. */
export interface FoundModule extends AdaptableModule {
  /** Nodes that multiply by the weight. */
  readonly nodes: readonly string[];
  /** Initializer of the bias, [out]; absent where there is none, or where several modules share the weight. */
  readonly bias?: string;
  /** Where the name was found; `initializer name` and `made up` are no checkpoint's names. */
  readonly namedBy: NameSource;
}

export interface FindOptions {
  /** Folder of external data; needed with `reference`. */
  readonly folder?: string;
  /** The checkpoint that the graph was exported from: names are then found by comparing numbers. */
  readonly reference?: ReferenceWeights;
}

interface Linear {
  readonly initializer: string;
  readonly tensor: TensorValue;
  readonly node: Node;
  readonly nodes: readonly Node[];
  readonly layout: 'in_out' | 'out_in';
  readonly in: number;
  readonly out: number;
  readonly bias?: string;
  /** True where an embedding is looked up in the same matrix. */
  readonly tied: boolean;
  /** Widths of modules that lie side by side in the weight, where the operator says so. */
  readonly parts?: readonly { readonly suffix: string; readonly out: number }[];
}

/**
 * Every linear layer of a model as read by normalizeModel (before compound operators are written out): products of activations with a
 * matrix among the initializers. Names are, in this order: the checkpoint's, by comparing numbers with `reference`, unless the model that was
 * exported calls its modules otherwise than its checkpoint (exportedAs); the exporter's scope (node metadata of torch.onnx's dynamo exporter, node names of the older
 * one); the initializer's or its bias's name; made up from the initializer's name. In order of the graph; names are unique.
 */
export function findModules(model: Model, options: FindOptions = {}): FoundModule[] {
  const found: FoundModule[] = [];
  const taken = new Set<string>();
  const { folder, reference } = options;
  const all = [...linears(model)].map((linear) => ({
    linear,
    graph: nameFromGraph(linear),
    matches: reference === undefined ? [] : matchReference(linear, reference, folder),
  }));
  const wrapper = wrapperOf(
    all.flatMap(({ graph, matches: [match] }) =>
      match === undefined ? [] : [{ graph: graph.name, checkpoint: match.name }],
    ),
  );
  for (const each of all)
    for (const module of namedModules(each, wrapper)) {
      let { name } = module;
      for (let i = 2; taken.has(name); i++) name = `${module.name}_${i}`;
      taken.add(name);
      found.push({ ...module, name });
    }
  return found;
}

/** A found module as one that is trained in full; undefined where it shares its weight with others. */
export function asDense(module: FoundModule): DenseModule | undefined {
  const { name, weight, bias } = module;
  if (weight.firstOutput !== undefined) return undefined;
  const matrix = {
    parameter: 'weight',
    initializer: weight.initializer,
    shape: [module.out, module.in],
    transposed: weight.layout === 'in_out',
  };
  const vector =
    bias === undefined
      ? []
      : [{ parameter: 'bias', initializer: bias, shape: [module.out], transposed: false }];
  return { name, tensors: [matrix, ...vector] };
}

interface Named {
  readonly linear: Linear;
  readonly graph: { readonly name: string; readonly source: NameSource };
  readonly matches: readonly WeightMatch[];
}

function namedModules({ linear, graph, matches }: Named, wrapper: string | undefined): FoundModule[] {
  const { initializer, layout, bias, nodes, parts } = linear;
  const shared = { nodes: nodes.map((node) => node.name) };
  if (matches.length > 0)
    return matches.map(({ name, out, first }): FoundModule => {
      const whole = out === linear.out;
      // The head of a model whose embedding is tied is no module of the checkpoint's own; the graph may know its name.
      const tied = linear.tied && graph.source !== 'made up' ? unwrapped(graph.name, wrapper) : undefined;
      const own = tied ?? (whole ? exportedAs(graph, name, wrapper) : name);
      return {
        ...shared,
        name: own,
        in: linear.in,
        out,
        weight: { initializer, layout, ...(whole ? {} : { firstOutput: first }) },
        ...(whole && bias !== undefined ? { bias } : {}),
        namedBy: own === name ? 'values' : graph.source,
      };
    });
  const { source } = graph;
  const name = unwrapped(graph.name, wrapper);
  if (parts === undefined)
    return [
      {
        ...shared,
        name,
        in: linear.in,
        out: linear.out,
        weight: { initializer, layout },
        ...(bias === undefined ? {} : { bias }),
        namedBy: source,
      },
    ];
  let first = 0;
  return parts.map(({ suffix, out }): FoundModule => {
    const weight = { initializer, layout, firstOutput: first };
    first += out;
    return { ...shared, name: `${name}.${suffix}`, in: linear.in, out, weight, namedBy: source };
  });
}

function* linears(model: Model): Generator<Linear> {
  const readers = readersOf(model);
  const order = new Map(model.graph.nodes.map((node, i) => [node, i]));
  const all: Linear[] = [];
  for (const [initializer, tensor] of model.graph.initializers) {
    if (tensor.dims.length !== 2 && tensor.dims.length !== 3) continue;
    const uses = usesOfWeight(readers, initializer, tensor.type);
    // Training writes it out as Gemm and activation; only here it counts as a product as it is.
    const fused = uses.others.filter((use) => isFusedGemm(use) && use.node.inputs[1] === initializer);
    const others = uses.others.filter((use) => !fused.includes(use));
    const products = [
      ...uses.products,
      ...fused.map(({ node }) => ({ node, outIn: numberOf(node, 'transB', 0) === 1 })),
    ];
    const merged = others.find(({ node, input }) => isMergedAttention(node) && input === 1);
    if (merged !== undefined && others.length === 1 && products.length === 0) {
      all.push(attentionWeight(merged.node, initializer, tensor));
      continue;
    }
    const first = products[0];
    const other = others.some(({ node }) => node.op !== 'Gather');
    if (first === undefined || other || products.some(({ outIn }) => outIn !== first.outIn)) continue;
    const nodes = products.map(({ node }) => node);
    const dims = matrixDims(first.node, tensor);
    if (dims.length !== 2) continue;
    const [rows = 0, columns = 0] = dims;
    const out = first.outIn ? rows : columns;
    const bias = nodes.length === 1 ? biasOf(model, readers, first.node, out) : undefined;
    all.push({
      initializer,
      tensor,
      node: first.node,
      nodes,
      layout: first.outIn ? 'out_in' : 'in_out',
      in: first.outIn ? columns : rows,
      out,
      ...(bias === undefined ? {} : { bias }),
      tied: others.length > 0,
    });
  }
  yield* all.sort((a, b) => (order.get(a.node) ?? 0) - (order.get(b.node) ?? 0));
}

/** com.microsoft FusedGemm: what ONNX Runtime makes of a pooler or a classifier's hidden layer. */
function isFusedGemm({ node, input }: OtherUse): boolean {
  return node.op === 'FusedGemm' && node.domain === 'com.microsoft' && input === 1;
}

function isMergedAttention(node: Node): boolean {
  return node.op === 'Attention' && node.domain === 'com.microsoft';
}

/** com.microsoft Attention: queries, keys and values side by side. */
function attentionWeight(node: Node, initializer: string, tensor: TensorValue): Linear {
  const [rows = 0, columns = 0] = tensor.dims;
  const sizes = node.attributes.qkv_hidden_sizes;
  const [q = 0, k = 0, v = 0] =
    sizes?.kind === 'ints' ? sizes.value : [columns / 3, columns / 3, columns / 3];
  const parts = [
    { suffix: 'query', out: q },
    { suffix: 'key', out: k },
    { suffix: 'value', out: v },
  ];
  return {
    initializer,
    tensor,
    node,
    nodes: [node],
    layout: 'in_out',
    in: rows,
    out: columns,
    tied: false,
    parts,
  };
}

/** Gemm's third input, or what an Add behind the product adds: an initializer of shape [out] that nothing else reads. */
function biasOf(
  model: Model,
  readers: ReadonlyMap<string, readonly Node[]>,
  node: Node,
  out: number,
): string | undefined {
  const fits = (name: string): boolean =>
    model.graph.initializers.get(name)?.dims.join() === String(out) && readers.get(name)?.length === 1;
  if (node.op === 'Gemm' || node.op === 'FusedGemm') {
    const bias = node.inputs[2] ?? '';
    return numberOf(node, 'beta', 1) === 1 && fits(bias) ? bias : undefined;
  }
  const behind = readers.get(node.outputs[0] ?? '') ?? [];
  const add = behind.length === 1 && behind[0]?.op === 'Add' ? behind[0] : undefined;
  return add?.inputs.find(fits);
}
