import { FedrotError } from '../../errors.js';
import { int } from './attributes.js';
import type { Dim, Model, Node, TensorValue, ValueInfo } from './graph.js';
import { int64Vector, rawTensor } from './tensor-value.js';

/** Inputs of a key/value cache as optimum and transformers.js name them: past_key_values.0.key, past_key_0, past_0. */
const PAST = /^past(_|$)/;

/** The switch of optimum's merged decoders: true where the cache is used. */
const SWITCH = 'use_cache_branch';

const isPast = ({ name, type }: ValueInfo): boolean =>
  PAST.test(name) && (type === 'float' || type === 'float16');

/**
 * The same model with an empty key/value cache in place of the inputs that would bring one: training and evaluation read whole
 * sequences. Dimensions that add the cache's length to the sequence's become the sequence's. Throws model_unsupported for a
 * cache of a shape that cannot be told.
 */
export function withoutCache(model: Model): Model {
  const { graph } = model;
  const past = graph.inputs.filter(isPast);
  const hasSwitch = graph.inputs.some(({ name }) => name === SWITCH);
  if (past.length === 0 && !hasSwitch) return model;
  const ids = graph.inputs.find(({ name }) => name === 'input_ids');
  if (ids === undefined)
    throw new FedrotError(
      'model_unsupported',
      `the model takes a cache (${past[0]?.name ?? SWITCH}) but no input_ids`,
    );
  const [batch = '', sequence = ''] = ids.dims;
  const initializers = new Map<string, TensorValue>(graph.initializers);
  if (hasSwitch) initializers.set(SWITCH, rawTensor('bool', [1], Uint8Array.of(0)));
  const nodes: Node[] = [];
  if (past.length > 0) nodes.push(...batchSize(initializers));
  for (const input of past) nodes.push(...empty(input, batch, initializers));
  const own = graph.inputs.filter((input) => !isPast(input) && input.name !== SWITCH);
  const inputs = own.map((input) => ({
    ...input,
    dims: input.dims.map((dim) => withoutPast(dim, sequence)),
  }));
  return { ...model, graph: { ...graph, inputs, initializers, nodes: [...nodes, ...graph.nodes] } };
}

const BATCH = 'fedrot/cache/batch';

function batchSize(initializers: Map<string, TensorValue>): Node[] {
  const shape = 'fedrot/cache/ids_shape';
  const [from, to] = ['fedrot/cache/zero', 'fedrot/cache/one'];
  initializers.set(from, int64Vector([0])).set(to, int64Vector([1]));
  const node = (op: string, inputs: readonly string[], output: string): Node => ({
    op,
    domain: '',
    name: output,
    inputs,
    outputs: [output],
    attributes: {},
  });
  return [node('Shape', ['input_ids'], shape), node('Slice', [shape, from, to], BATCH)];
}

/** Zeros of the input's shape, of which the dimension named after the past is 0. */
function empty({ name, type, dims }: ValueInfo, batch: Dim, initializers: Map<string, TensorValue>): Node[] {
  let lengths = 0;
  const parts = dims.map((dim, i) => {
    if (dim === batch) return BATCH;
    const isLength = typeof dim === 'string' && dim.includes('past');
    if (isLength) lengths++;
    if (typeof dim === 'string' && !isLength)
      throw new FedrotError(
        'model_unsupported',
        `input ${name}: its dimension ${i} (${dim || 'unnamed'}) is neither the batch nor the cache's length; export the model without a cache (use_cache=False)`,
      );
    const part = `fedrot/cache/${name}/${i}`;
    initializers.set(part, int64Vector([isLength ? 0 : Number(dim)]));
    return part;
  });
  if (lengths !== 1)
    throw new FedrotError(
      'model_unsupported',
      `input ${name}: none of its dimensions (${dims.join(', ')}) is named after the cache's length; export the model without a cache (use_cache=False)`,
    );
  const shape = `fedrot/cache/${name}/shape`;
  const value = rawTensor(type, [1], new Uint8Array(type === 'float' ? 4 : 2));
  return [
    { op: 'Concat', domain: '', name: shape, inputs: parts, outputs: [shape], attributes: { axis: int(0) } },
    {
      op: 'ConstantOfShape',
      domain: '',
      name: `fedrot/cache/${name}`,
      inputs: [shape],
      outputs: [name],
      attributes: { value: { kind: 'tensor', value } },
    },
  ];
}

/** `past_sequence_length + sequence_length` is the length of the sequence where the past is empty. */
function withoutPast(dim: Dim, sequence: Dim): Dim {
  return typeof dim === 'string' && dim.includes('past') ? sequence : dim;
}
