import { int } from './attributes.js';
import type { Node, TensorValue } from './graph.js';
import { int64Vector } from './tensor-value.js';

/** ai.onnx RotaryEmbedding: inputs x, cos, sin and, where the caches are tables, the rows of them that positions ask for. */
const [X, COS, SIN, POSITIONS] = [0, 1, 2, 3];

const PREFIX = 'fedrot/rotary/';

/**
 * ai.onnx RotaryEmbedding without positions has caches [batch, positions, half]. torch.onnx writes them with a batch of 1, which the
 * operator's text does not allow and ONNX Runtime 1.30 refuses for any other batch: they are expanded to that of x. Other nodes as they are.
 */
export function withBatchedCaches(node: Node, initializers: Map<string, TensorValue>): readonly Node[] {
  if (node.domain !== '' || node.op !== 'RotaryEmbedding' || (node.inputs[POSITIONS] ?? '') !== '')
    return [node];
  const [x = '', cos = '', sin = ''] = [node.inputs[X], node.inputs[COS], node.inputs[SIN]];
  // A model that has been read and written before.
  if (cos.startsWith(PREFIX)) return [node];
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
  const batch = op('Slice', [op('Shape', [x], 'shape'), constant([0]), constant([1])], 'batch');
  const target = op('Concat', [batch, constant([1, 1])], 'target', 0);
  const inputs = node.inputs
    .with(COS, op('Expand', [cos, target], 'cos'))
    .with(SIN, op('Expand', [sin, target], 'sin'));
  return [...nodes, { ...node, inputs }];
}
