import { positiveAxis } from '../../shapes/extent.js';
import { NO_EMPTY_BELOW_14, type GradientRule, type OpRule } from '../rule.js';

const passThrough: GradientRule = (call) => [call.dy()];

/** Reshape, Squeeze, Unsqueeze, Flatten: the same numbers in the input's shape. */
const restoreShape: GradientRule = (call) => [call.emit.reshapeLike(call.dy(), call.x(0), call.xDims(0))];

const transpose: GradientRule = (call) => {
  const rank = call.rank(call.x(0));
  const perm = call.attribute('perm', 'ints') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse: number[] = [];
  perm.forEach((from, to) => (inverse[from] = to));
  return [call.emit.transpose(call.dy(), inverse)];
};

const expand: GradientRule = (call) => [call.sumTo(call.dy(), 0)];

const cast: GradientRule = (call) => [call.emit.cast(call.dy(), call.type(call.x(0)))];

/** For inference: the identity. */
const dropout: GradientRule = (call) => {
  if (call.has(2) && call.numbers(2)?.[0] !== 0)
    return call.refuse('training mode; export the model in eval mode');
  return [call.dy()];
};

/** A slice of the gradient for each input. */
const concat: GradientRule = (call) => {
  const { emit } = call;
  const axis = positiveAxis(call.int('axis', 0), call.rank(call.y(0)));
  let start = emit.vector([0]);
  let fixed: number | undefined = 0;
  return call.node.inputs.map((input, i) => {
    const dims = call.dims(input);
    const extent = dims[axis];
    fixed = fixed !== undefined && typeof extent === 'number' ? fixed + extent : undefined;
    const end = fixed !== undefined ? emit.vector([fixed]) : emit.add(start, emit.dim(input, dims, axis));
    const gradient = call.wants(i) ? emit.slice(call.dy(), start, end, [axis]) : undefined;
    start = end;
    return gradient;
  });
};

const split: GradientRule = (call) => {
  const axis = positiveAxis(call.int('axis', 0), call.rank(call.x(0)));
  const parts = call.node.outputs.map((_, i) => call.dy(i));
  return [call.emit.op('Concat', parts, { axis: { kind: 'int', value: axis } })];
};

/** Each axis was repeated: split it into (repeats, size) and sum over the repeats. */
const tile: GradientRule = (call) => {
  const { emit } = call;
  const dims = call.xDims(0);
  const shape = dims.flatMap((_, i) => [
    emit.slice(call.x(1), emit.vector([i]), emit.vector([i + 1]), [0]),
    emit.dim(call.x(0), dims, i),
  ]);
  if (dims.length === 0) return [call.dy()];
  const split = emit.reshape(call.dy(), emit.join(shape));
  return [
    emit.reduceSum(
      split,
      dims.map((_, i) => 2 * i),
      false,
    ),
  ];
};

/** mode constant: the inner part of the gradient. */
const pad: GradientRule = (call) => {
  const { emit } = call;
  const mode = call.attribute('mode', 'string') ?? 'constant';
  if (mode !== 'constant') return call.refuse(`mode "${mode}"`);
  if (call.wants(2)) return call.refuse('a padding value that depends on trained values');
  const rank = call.rank(call.x(0));
  const axes = call.axes(3, rank) ?? Array.from({ length: rank }, (_, i) => i);
  const pads = call.numbers(1);
  if (pads?.some((size) => size < 0)) return call.refuse('negative pads');
  const starts = emit.slice(call.x(1), emit.vector([0]), emit.vector([axes.length]), [0]);
  const sizes = emit.join(axes.map((axis) => emit.dim(call.x(0), call.xDims(0), axis)));
  return [emit.slice(call.dy(), starts, emit.add(starts, sizes), axes)];
};

/** Linear: the same triangle of the gradient. */
const trilu: GradientRule = (call) => {
  const upper = { upper: { kind: 'int' as const, value: call.int('upper', 1) } };
  return [call.emit.op('Trilu', call.has(1) ? [call.dy(), call.x(1)] : [call.dy()], upper)];
};

export const shapeRules: readonly OpRule[] = [
  { op: 'Identity', versions: [1, 13, 14, 16, 19, 21, 23, 24, 25], gradient: passThrough },
  { op: 'Dropout', versions: [7, 10, 12, 13, 22], gradient: dropout, refuses: ['training mode'] },
  { op: 'Cast', versions: [6, 9, 13, 19, 21, 23, 24, 25], gradient: cast },
  { op: 'CastLike', versions: [15, 19, 21, 23, 24, 25], gradient: cast },
  { op: 'Reshape', versions: [5, 13, 14, 19, 21, 23, 24, 25], gradient: restoreShape },
  {
    op: 'Squeeze',
    versions: [1, 11, 13, 21, 23, 24, 25],
    gradient: restoreShape,
    refuses: [NO_EMPTY_BELOW_14],
  },
  {
    op: 'Unsqueeze',
    versions: [1, 11, 13, 21, 23, 24, 25],
    gradient: restoreShape,
    refuses: [NO_EMPTY_BELOW_14],
  },
  {
    op: 'Flatten',
    versions: [1, 9, 11, 13, 21, 23, 24, 25],
    gradient: restoreShape,
    refuses: [NO_EMPTY_BELOW_14],
  },
  { op: 'Transpose', versions: [1, 13, 21, 23, 24, 25], gradient: transpose },
  { op: 'Expand', versions: [8, 13], gradient: expand },
  { op: 'Tile', versions: [6, 13], gradient: tile, refuses: [NO_EMPTY_BELOW_14] },
  { op: 'Concat', versions: [4, 11, 13], gradient: concat },
  { op: 'Split', versions: [2, 11, 13, 18], gradient: split },
  {
    op: 'Pad',
    versions: [11, 13, 18, 19, 21, 23, 24, 25],
    gradient: pad,
    refuses: ['modes other than constant', 'negative pads', 'a trained padding value'],
  },
  { op: 'Trilu', versions: [14], gradient: trilu },
];
