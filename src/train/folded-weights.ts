import { FedrotError } from '../errors.js';
import { endsGradient } from './check-trainable.js';
import { isFloating } from './ir/element-type.js';
import type { Model, Node, TensorValue } from './ir/graph.js';
import { tensorFloats } from './ir/tensor-value.js';
import type { ReferenceWeights } from './match-weights.js';

/** A constant that activations are multiplied by although it is no linear layer's matrix. */
export interface FoldedWeight {
  readonly initializer: string;
  readonly dims: readonly number[];
  /** The product. */
  readonly node: string;
}

export interface FoldedOptions {
  /** Folder of external data; needed with `reference`. */
  readonly folder?: string;
  /** The checkpoint that the graph was exported from: a constant that it holds is a parameter. */
  readonly reference?: ReferenceWeights;
}

const PRODUCTS: ReadonlySet<string> = new Set(['MatMul', 'FusedMatMul', 'Gemm', 'FusedGemm', 'Einsum']);

/** Ops through which a linear layer's matrix may come to its product; src/train/weight-uses.ts follows the same. */
const LINEAR: ReadonlySet<string> = new Set(['Identity', 'Cast', 'Transpose']);

/** Ops that only lay the numbers of their first input out anew. */
const LAYS_OUT: ReadonlySet<string> = new Set([
  ...LINEAR,
  ...['Tile', 'Expand', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Slice'],
]);

/** How exporters name parameters (`encoder.layer.0.query`); what they or an optimizer computed is `val_7`, `/encoder/Expand_output_0`. */
const PARAMETER_NAME = /^[^/:]*[^/:.]\.[^/:.][^/:]*$/;

/**
 * What an optimizer leaves where it multiplied weights into constants: DeBERTa-v2 multiplies relative positions, which no input changes, by
 * the query and key weights, and ONNX Runtime keeps the products instead. An adapter of such a weight would change one of its two uses and
 * training would be wrong without a sign. Found by where they stand: activations that depend on one of the `adaptable` initializers are multiplied
 * by a constant that is no matrix of a linear layer. A constant that is a parameter by its name, or by its numbers in `reference`, is none.
 */
export function findFoldedWeights(
  model: Model,
  adaptable: readonly string[],
  options: FoldedOptions = {},
): FoldedWeight[] {
  const makers = new Map(
    model.graph.nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)),
  );
  const active = new Set(adaptable);
  const found = new Map<string, FoldedWeight>();
  for (const node of model.graph.nodes) {
    const reached = !endsGradient(node) && node.inputs.some((name) => active.has(name));
    if (reached) for (const output of node.outputs) if (output !== '') active.add(output);
    if (!reached || !PRODUCTS.has(node.op)) continue;
    node.inputs.slice(0, 2).forEach((operand, at) => {
      // A constant by a weight is computed here, not folded.
      const other = node.inputs[1 - at] ?? '';
      if (!active.has(other) || model.graph.initializers.has(behind(makers, other, LAYS_OUT))) return;
      if (active.has(operand) || (at === 1 && isLinear(model, makers, operand))) return;
      const initializer = behind(makers, operand, LAYS_OUT);
      const value = model.graph.initializers.get(initializer);
      if (value === undefined || !isFloating(value.type) || !isMatrix(value)) return;
      if (!isParameter(initializer, value, options))
        found.set(initializer, { initializer, dims: value.dims, node: node.name });
    });
  }
  return [...found.values()];
}

/** Throws model_unsupported where findFoldedWeights finds any, with what to do. */
export function checkFoldedWeights(
  model: Model,
  adaptable: readonly string[],
  options: FoldedOptions = {},
): void {
  const folded = findFoldedWeights(model, adaptable, options);
  const [first] = folded;
  if (first === undefined) return;
  const more = folded.length === 1 ? '' : ` (and ${folded.length - 1} more)`;
  const [origin, remedy] =
    options.reference === undefined
      ? ['', '; where it is a parameter of the model, the checkpoint, given too, tells']
      : [' and no tensor of the checkpoint', ''];
  throw new FedrotError(
    'model_unsupported',
    `node "${first.node}" multiplies by the constant ${first.initializer} [${first.dims.join(', ')}]${more}, which is no linear layer's weight${origin}: an optimizer probably multiplied weights into it, and adapters of those would be trained wrongly; give the export as it was before it was optimized${remedy}`,
    { details: { folded } },
  );
}

/** The value that this one is laid out from. */
function behind(makers: ReadonlyMap<string, Node>, name: string, through: ReadonlySet<string>): string {
  let value = name;
  for (;;) {
    const node = makers.get(value);
    if (node?.domain !== '' || !through.has(node.op)) return value;
    value = node.inputs[0] ?? '';
  }
}

function isLinear(model: Model, makers: ReadonlyMap<string, Node>, operand: string): boolean {
  return model.graph.initializers.get(behind(makers, operand, LINEAR))?.dims.length === 2;
}

function isMatrix({ dims }: TensorValue): boolean {
  return dims.filter((size) => size > 1).length >= 2;
}

function isParameter(name: string, value: TensorValue, { reference, folder }: FoldedOptions): boolean {
  if (PARAMETER_NAME.test(name)) return true;
  if (reference === undefined) return false;
  const size = value.dims.reduce((a, b) => a * b, 1);
  const same = reference.names.filter((other) => reference.shape(other).reduce((a, b) => a * b, 1) === size);
  if (same.length === 0) return false;
  // An exporter may have turned it round: only the numbers count.
  const numbers = Float32Array.from(tensorFloats(value, folder)).sort();
  return same.some((other) => {
    const theirs = Float32Array.from(reference.read(other)).sort();
    return numbers.every((number, i) => number === theirs[i]);
  });
}
