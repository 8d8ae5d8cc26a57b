import type { Call, GradientRule, OpRule } from '../rule.js';

interface Reduction {
  /** Axes that are summed away, counted from the front. */
  readonly axes: readonly number[];
  /** Gives a tensor of the output's shape its reduced dimensions back, with size 1. */
  readonly restore: (value: string) => string;
  /** The output's gradient and the output itself, broadcastable against the input. */
  readonly dy: string;
  readonly y: () => string;
}

/** Axes are an attribute before version 13 (ReduceSum) or 18 (the others), an input from then on. */
function reduction(call: Call): Reduction {
  const rank = call.rank(call.x(0));
  const listed = call.axes(1, rank);
  const none = listed === undefined || listed.length === 0;
  const axes =
    none && call.int('noop_with_empty_axes', 0) === 1
      ? []
      : none
        ? Array.from({ length: rank }, (_, i) => i)
        : [...listed].sort((a, b) => a - b);
  const restore = (value: string): string =>
    call.int('keepdims', 1) === 1 ? value : call.emit.unsqueeze(value, axes);
  return { axes, restore, dy: restore(call.dy()), y: () => restore(call.y(0)) };
}

function spread(call: Call, value: string): string {
  return call.emit.expand(value, call.emit.shape(call.x(0), call.xDims(0)));
}

const reduceSum: GradientRule = (call) => [spread(call, reduction(call).dy)];

/** How many elements went into one of the output, as a scalar of the input's type. */
function countOf(call: Call, axes: readonly number[]): string {
  const { emit } = call;
  const dims = call.xDims(0);
  const type = call.type(call.x(0));
  let fixed = 1;
  let count: string | undefined;
  for (const axis of axes) {
    const extent = dims[axis];
    if (typeof extent === 'number') fixed *= extent;
    else {
      const factor = emit.cast(emit.squeeze(emit.dim(call.x(0), dims, axis), [0]), type);
      count = count === undefined ? factor : emit.mul(count, factor);
    }
  }
  return count === undefined ? emit.scalar(type, fixed) : emit.scale(count, fixed, type);
}

const reduceMean: GradientRule = (call) => {
  const { axes, dy } = reduction(call);
  return [spread(call, call.emit.div(dy, countOf(call, axes)))];
};

/** In equal parts to all elements that reach the extremum (as torch.amax). */
const reduceExtremum: GradientRule = (call) => {
  const { emit } = call;
  const { axes, dy, y } = reduction(call);
  const hits = emit.cast(emit.op('Equal', [call.x(0), y()]), call.type(call.x(0)));
  return [emit.mul(hits, emit.div(dy, emit.reduceSum(hits, axes, true)))];
};

/** x / ‖x‖ */
const reduceL2: GradientRule = (call) => {
  const { dy, y } = reduction(call);
  return [call.emit.mul(call.x(0), call.emit.div(dy, y()))];
};

const reduceSumSquare: GradientRule = (call) => {
  const { emit } = call;
  return [emit.mul(call.x(0), emit.mul(reduction(call).dy, emit.scalar(call.type(call.x(0)), 2)))];
};

const reduceLogSumExp: GradientRule = (call) => {
  const { emit } = call;
  const { dy, y } = reduction(call);
  return [emit.mul(dy, emit.op('Exp', [emit.sub(call.x(0), y())]))];
};

/** Linear: sums run the other way. */
const cumSum: GradientRule = (call) => [
  call.emit.op('CumSum', [call.dy(), call.x(1)], {
    exclusive: { kind: 'int', value: call.int('exclusive', 0) },
    reverse: { kind: 'int', value: 1 - call.int('reverse', 0) },
  }),
];

export const reduceRules: readonly OpRule[] = [
  { op: 'ReduceSum', versions: [1, 11, 13], gradient: reduceSum, refuses: ['axes computed at run time'] },
  {
    op: 'ReduceMean',
    versions: [1, 11, 13, 18],
    gradient: reduceMean,
    refuses: ['axes computed at run time'],
  },
  {
    op: 'ReduceMax',
    versions: [1, 11, 12, 13, 18, 20],
    gradient: reduceExtremum,
    refuses: ['axes computed at run time'],
  },
  {
    op: 'ReduceMin',
    versions: [1, 11, 12, 13, 18, 20],
    gradient: reduceExtremum,
    refuses: ['axes computed at run time'],
  },
  { op: 'ReduceL2', versions: [1, 11, 13, 18], gradient: reduceL2, refuses: ['axes computed at run time'] },
  {
    op: 'ReduceSumSquare',
    versions: [1, 11, 13, 18],
    gradient: reduceSumSquare,
    refuses: ['axes computed at run time'],
  },
  {
    op: 'ReduceLogSumExp',
    versions: [1, 11, 13, 18],
    gradient: reduceLogSumExp,
    refuses: ['axes computed at run time'],
  },
  { op: 'CumSum', versions: [11, 14], gradient: cumSum },
];
