import { int } from '../../ir/attributes.js';
import { positiveAxis, type Extent } from '../../shapes/extent.js';
import { NO_EMPTY_BELOW_14, type Call, type GradientRule, type OpRule } from '../rule.js';

/**
 * Adds updates [pre, n, post] into zeros [pre, rows, post] at the rows that `index` [n] names (negative: from the end).
 * ScatterElements adds in order, so equal indices give the same sum on every run. It adds from version 16 on; before that, a
 * product with one-hot rows does the same.
 */
function scatterRows(call: Call, updates: string, index: string, rows: string): string {
  const { emit } = call;
  const type = call.type(call.y(0));
  if (emit.opset < 16) return emit.op('MatMul', [emit.oneHot(index, 1, 0, rows, type), updates]);
  const shape = emit.op('Shape', [updates]);
  const at = (axis: number): string => emit.slice(shape, emit.vector([axis]), emit.vector([axis + 1]), [0]);
  const zeros = emit.zeros(emit.join([at(0), rows, at(2)]), type);
  const everywhere = emit.expand(emit.unsqueeze(index, [0, 2]), shape);
  return emit.op('ScatterElements', [zeros, everywhere, updates], {
    axis: int(1),
    reduction: { kind: 'string', value: 'add' },
  });
}

/** Sizes of all dimensions in [from, to) multiplied, as an int64 vector of one. */
function product(call: Call, value: string, dims: readonly Extent[], from: number, to: number): string {
  const { emit } = call;
  let fixed = 1;
  let size: string | undefined;
  for (let axis = from; axis < to; axis++) {
    const extent = dims[axis];
    if (typeof extent === 'number') fixed *= extent;
    else {
      const factor = emit.dim(value, dims, axis);
      size = size === undefined ? factor : emit.mul(size, factor);
    }
  }
  if (size === undefined) return emit.vector([fixed]);
  return fixed === 1 ? size : emit.mul(size, emit.vector([fixed]));
}

/** Rows of the input at `index` along an axis: their gradients are added back into zeros. */
const gather: GradientRule = (call) => {
  const { emit } = call;
  const dims = call.xDims(0);
  const index = call.x(1);
  const indexDims = call.xDims(1);
  const axis = positiveAxis(call.int('axis', 0), dims.length);
  const flat = emit.reshape(index, product(call, index, indexDims, 0, indexDims.length));
  const shape = emit.join([
    product(call, call.x(0), dims, 0, axis),
    product(call, index, indexDims, 0, indexDims.length),
    product(call, call.x(0), dims, axis + 1, dims.length),
  ]);
  const updates = emit.reshape(call.dy(), shape);
  const rows = emit.dim(call.x(0), dims, axis);
  return [emit.reshapeLike(scatterRows(call, updates, flat, rows), call.x(0), dims)];
};

const gatherElements: GradientRule = (call) => {
  const { emit } = call;
  const dims = call.xDims(0);
  const axis = positiveAxis(call.int('axis', 0), dims.length);
  const type = call.type(call.y(0));
  const rows = emit.dim(call.x(0), dims, axis);
  if (emit.opset >= 16) {
    const zeros = emit.zeros(emit.shape(call.x(0), dims), type);
    return [
      emit.op('ScatterElements', [zeros, call.x(1), call.dy()], {
        axis: int(axis),
        reduction: { kind: 'string', value: 'add' },
      }),
    ];
  }
  if (call.xDims(1).some((extent, i) => i !== axis && extent !== dims[i]))
    return call.refuse('indices smaller than the data below opset 16');
  const hot = emit.oneHot(call.x(1), dims.length, axis, rows, type);
  return [emit.reduceSum(emit.mul(hot, emit.unsqueeze(call.dy(), [axis])), [axis + 1], false)];
};

/** Index tuples become row numbers of the data with the indexed dimensions flattened. */
const gatherND: GradientRule = (call) => {
  const { emit } = call;
  const dims = call.xDims(0);
  const indexDims = call.xDims(1);
  const depth = indexDims[indexDims.length - 1];
  if (typeof depth !== 'number') return call.refuse('index tuples of a length known only at run time');
  const batchDims = call.int('batch_dims', 0);
  const [data, tuples] = [call.x(0), call.x(1)];
  const indexed = batchDims + depth;
  const count = product(call, tuples, indexDims, 0, indexDims.length - 1);
  const flat = emit.reshape(tuples, emit.join([count, emit.vector([depth])]));
  let row: string | undefined;
  for (let j = 0; j < depth; j++) {
    const size = emit.dim(data, dims, batchDims + j);
    const raw = emit.squeeze(emit.slice(flat, emit.vector([j]), emit.vector([j + 1]), [1]), [1]);
    const position = emit.fromFront(raw, size);
    row = row === undefined ? position : emit.add(emit.mul(row, size), position);
  }
  if (row === undefined) return call.refuse('empty index tuples');
  if (batchDims > 0) {
    const batches = product(call, data, dims, 0, batchDims);
    const stride = product(call, data, dims, batchDims, indexed);
    const range = emit.range(batches);
    const offsets = emit.unsqueeze(emit.mul(range, stride), [1]);
    const perBatch = emit.reshape(row, emit.join([batches, emit.op('Div', [count, batches])]));
    row = emit.reshape(emit.add(perBatch, offsets), count);
  }
  const post = product(call, data, dims, indexed, dims.length);
  const updates = emit.reshape(call.dy(), emit.join([emit.vector([1]), count, post]));
  const scattered = scatterRows(call, updates, row, product(call, data, dims, 0, indexed));
  return [emit.reshapeLike(scattered, data, dims)];
};

/** Each value came from one place; which ones are chosen does not change with small changes of the input. */
const topK: GradientRule = (call) => {
  const { emit } = call;
  const dims = call.xDims(0);
  const zeros = emit.zeros(emit.shape(call.x(0), dims), call.type(call.x(0)));
  const axis = { axis: int(positiveAxis(call.int('axis', -1), dims.length)) };
  return [emit.op('ScatterElements', [zeros, call.y(1), call.dy()], axis)];
};

export const indexingRules: readonly OpRule[] = [
  { op: 'Gather', versions: [1, 11, 13], gradient: gather, refuses: [NO_EMPTY_BELOW_14] },
  {
    op: 'GatherElements',
    versions: [11, 13],
    gradient: gatherElements,
    refuses: ['below opset 16: indices smaller than the data'],
  },
  {
    op: 'GatherND',
    versions: [11, 12, 13],
    gradient: gatherND,
    refuses: ['index tuples of a length known only at run time', NO_EMPTY_BELOW_14],
  },
  { op: 'TopK', versions: [11, 24], gradient: topK, refuses: ['no second output'] },
];
