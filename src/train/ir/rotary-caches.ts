import { int } from './attributes.js';
import type { Graph, Node, TensorValue } from './graph.js';
import { int64Vector } from './tensor-value.js';

const PREFIX = 'fedrot/rotary/';

/** ai.onnx RotaryEmbedding: inputs x, cos, sin and, where the caches are tables, the rows of them that positions ask for. */
const ONNX = { cos: 1, sin: 2, positions: 3 } as const;

/** com.microsoft RotaryEmbedding: inputs x, positions ([1] or [batch, sequence]), cos, sin. */
const CONTRIB_POSITIONS = 1;

/** True where a value certainly has two dimensions. */
export function isMatrixIn({ nodes, initializers, inputs }: Graph): (value: string) => boolean {
  const made = new Map(nodes.map((node) => [node.outputs[0] ?? '', node]));
  const given = new Map(inputs.map(({ name, dims }) => [name, dims]));
  return (value) => {
    const node = made.get(value);
    if (node === undefined) return (initializers.get(value)?.dims ?? given.get(value))?.length === 2;
    return node.op === 'Unsqueeze' && made.get(node.inputs[0] ?? '')?.op === 'Range';
  };
}

/** Which inputs are expanded to x's batch, and how many dimensions of size 1 follow it in the shape they are expanded to. */
function unbatched(node: Node, isMatrix: (value: string) => boolean): readonly [readonly number[], number] {
  const has = (input: number): boolean => (node.inputs[input] ?? '') !== '';
  if (node.op !== 'RotaryEmbedding') return [[], 0];
  if (node.domain === '') return has(ONNX.positions) ? [[], 0] : [[ONNX.cos, ONNX.sin], 2];
  return node.domain === 'com.microsoft' && isMatrix(node.inputs[CONTRIB_POSITIONS] ?? '')
    ? [[CONTRIB_POSITIONS], 1]
    : [[], 0];
}

/**
 * ai.onnx RotaryEmbedding without positions has caches [batch, positions, half]; torch.onnx writes them with a batch of 1. com.microsoft's has
 * positions [batch, sequence]; ONNX Runtime's optimizer for transformers leaves them with a batch of 1. The operators' texts do not allow
 * either and ONNX Runtime 1.30 refuses them for any other batch: they are expanded to that of x. Other nodes as they are.
 */
export function withBatchedCaches(
  node: Node,
  initializers: Map<string, TensorValue>,
  isMatrix: (value: string) => boolean,
): readonly Node[] {
  const [wanted, ones] = unbatched(node, isMatrix);
  // A model that has been read and written before has them already.
  if (wanted.length === 0 || wanted.some((input) => node.inputs[input]?.startsWith(PREFIX))) return [node];
  const constant = (values: readonly number[]): string => {
    const name = `${PREFIX}${values.join('_')}`;
    initializers.set(name, int64Vector(values));
    return name;
  };
  const nodes: Node[] = [];
  const op = (type: string, inputs: readonly string[], output: string, axis?: number): string => {
    const name = `${PREFIX}${node.outputs[0] ?? ''}/${output}`;
    const attributes = axis === undefined ? {} : { axis: int(axis) };
    nodes.push({ op: type, domain: '', name, inputs, outputs: [name], attributes });
    return name;
  };
  const shape = op('Shape', [node.inputs[0] ?? ''], 'shape');
  const batch = op('Slice', [shape, constant([0]), constant([1])], 'batch');
  const target = op('Concat', [batch, constant(Array.from({ length: ones }, () => 1))], 'target', 0);
  const inputs = node.inputs.map((name, i) =>
    wanted.includes(i) ? op('Expand', [name, target], `input_${i}`) : name,
  );
  return [...nodes, { ...node, inputs }];
}
