import { FedrotError } from '../../errors.js';
import type { Attribute, Model, Node, TensorValue } from '../ir/graph.js';
import { int64Vector } from '../ir/tensor-value.js';

/** Reductions whose axes became an input in opset 18 (onnx, docs/Changelog.md). ReduceSum had them as one from 13 on. */
const REDUCTIONS: ReadonlySet<string> = new Set([
  ...['ReduceMean', 'ReduceMax', 'ReduceMin', 'ReduceProd', 'ReduceL1', 'ReduceL2'],
  ...['ReduceLogSum', 'ReduceLogSumExp', 'ReduceSumSquare'],
]);

/** Operators that changed in other ways between 13 and 21, and are not converted. */
const CHANGED: ReadonlySet<string> = new Set([
  ...['BatchNormalization', 'Upsample', 'Resize', 'GridSample', 'GroupNormalization', 'RoiAlign', 'Scan'],
]);

/** The oldest opset that can be raised: 13 moved axes of Squeeze, Unsqueeze and ReduceSum and changed Softmax. */
const OLDEST = 13;

/**
 * The same model at a newer opset of ai.onnx (at most 21); as it is where it is that new already. Throws model_unsupported below opset
 * 13 and for operators whose meaning changed.
 */
export function raiseOpset(model: Model, to: number): Model {
  const from = model.opsets.get('') ?? 0;
  if (from >= to) return model;
  if (from < OLDEST)
    throw new FedrotError(
      'model_unsupported',
      `the model is at opset ${from}; this needs ${OLDEST} or newer: export it again with a newer opset`,
    );
  const initializers = new Map<string, TensorValue>(model.graph.initializers);
  const nodes = model.graph.nodes.map((node) =>
    node.domain === '' ? raise(node, from, initializers) : node,
  );
  return {
    ...model,
    irVersion: Math.max(model.irVersion, 10),
    opsets: new Map([...model.opsets, ['', to]]),
    graph: { ...model.graph, nodes, initializers },
  };
}

function raise(node: Node, from: number, initializers: Map<string, TensorValue>): Node {
  if (CHANGED.has(node.op))
    throw new FedrotError(
      'model_unsupported',
      `${node.op} node "${node.name}": changed between opset ${from} and 21; export the model with opset 21`,
    );
  if (from >= 18) return node;
  if (REDUCTIONS.has(node.op) && node.attributes.axes?.kind === 'ints') {
    const { axes, ...attributes } = node.attributes;
    const name = `${node.name || (node.outputs[0] ?? '')}/axes`;
    initializers.set(name, int64Vector(axes.value));
    return { ...node, inputs: [node.inputs[0] ?? '', name], attributes };
  }
  if (node.op === 'Split' && (node.inputs[1] ?? '') === '') {
    const num_outputs: Attribute = { kind: 'int', value: node.outputs.length };
    return { ...node, attributes: { ...node.attributes, num_outputs } };
  }
  return node;
}
