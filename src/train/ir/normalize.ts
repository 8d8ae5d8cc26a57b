import { FedrotError } from '../../errors.js';
import { withAttentionBias } from './attention-bias.js';
import { inlineIf } from './inline-if.js';
import { isMatrixIn, withBatchedCaches } from './rotary-caches.js';
import { withoutCache } from './without-cache.js';
import type { Attribute, Model, Node, TensorValue } from './graph.js';
import {
  floatTensor,
  int64Tensor,
  int64Vector,
  rawTensor,
  tensorBytes,
  tensorNumbers,
} from './tensor-value.js';

/** Initializers of at most this many bytes are read into memory: axes, shapes and scalars that rules look at. */
const SMALL_BYTES = 1024;

/** ONNX Constant: exactly one of these attributes holds the value. */
function constantValue(node: Node): TensorValue {
  const [name, attribute] = Object.entries(node.attributes)[0] ?? ['', undefined];
  const value = attribute === undefined ? undefined : tensorOf(name, attribute);
  if (value === undefined)
    throw new FedrotError(
      'op_unsupported',
      `Constant node "${node.name}": attribute "${name}" is not supported`,
    );
  return value;
}

function tensorOf(name: string, attribute: Attribute): TensorValue | undefined {
  if (name === 'value' && attribute.kind === 'tensor') return attribute.value;
  if (name === 'value_int' && attribute.kind === 'int') return int64Tensor([], [attribute.value]);
  if (name === 'value_ints' && attribute.kind === 'ints') return int64Vector(attribute.value);
  if (name === 'value_float' && attribute.kind === 'float') return floatTensor([], [attribute.value]);
  if (name === 'value_floats' && attribute.kind === 'floats')
    return floatTensor([attribute.value.length], attribute.value);
  return undefined;
}

/**
 * The same model in the form that the passes expect: Constant nodes are initializers, small external initializers are in
 * memory (read from `folder`). Nodes without a name get that of their first output, so that messages can name them. What ONNX
 * Runtime would crash on or refuse is written so that it does not (attention-bias.ts, rotary-caches.ts); a key/value cache is empty
 * (without-cache.ts); of an If with a constant condition only the branch taken stays.
 */
export function normalizeModel(given: Model, folder?: string): Model {
  let model = withConstants(withoutCache(given), folder);
  for (;;) {
    const { initializers } = model.graph;
    const next = inlineIf(model, (value) => constantCondition(initializers.get(value)));
    if (next === model) break;
    model = withConstants(next, folder);
  }
  const initializers = new Map(model.graph.initializers);
  const isMatrix = isMatrixIn(model.graph);
  const nodes = model.graph.nodes
    .map((node) => withAttentionBias(node, initializers))
    .flatMap((node) => withBatchedCaches(node, initializers, isMatrix));
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}

function constantCondition(value: TensorValue | undefined): boolean | undefined {
  if (value?.data.kind !== 'inline') return undefined;
  return tensorNumbers(value)[0] !== 0;
}

function withConstants(model: Model, folder?: string): Model {
  const initializers = new Map<string, TensorValue>();
  for (const [name, value] of model.graph.initializers)
    initializers.set(
      name,
      value.data.kind === 'external' && value.data.length <= SMALL_BYTES
        ? rawTensor(value.type, value.dims, tensorBytes(value, folder))
        : value,
    );
  const nodes: Node[] = [];
  const names = new Set(model.graph.nodes.map(({ name }) => name));
  for (const node of model.graph.nodes) {
    const output = node.outputs[0] ?? '';
    if (node.domain === '' && node.op === 'Constant') initializers.set(output, constantValue(node));
    else if (node.name === '' && !names.has(output)) nodes.push({ ...node, name: output });
    else nodes.push(node);
  }
  return { ...model, graph: { ...model.graph, nodes, initializers } };
}
