import type { NodeView } from '../autodiff/node-view.js';
import { positiveAxis } from '../shapes/extent.js';
import type { Rewrite, RewriteRule } from './rule.js';

/** A vector over the channels (dimension 1) of x as it broadcasts against x. */
function byChannel(view: NodeView, vector: string): string {
  const behind = Math.max(view.rank(view.x(0)) - 2, 0);
  return view.emit.unsqueeze(
    vector,
    Array.from({ length: behind }, (_, i) => i + 1),
  );
}

/** (x − mean) / √(variance + epsilon) over the axes. */
function standardized(view: NodeView, x: string, axes: readonly number[]): string {
  const { emit } = view;
  const centred = emit.sub(x, emit.reduceMean(x, axes, true));
  const variance = emit.reduceMean(emit.mul(centred, centred), axes, true);
  const epsilon = emit.scalar(view.type(view.x(0)), view.float('epsilon', 1e-5));
  return emit.div(centred, emit.op('Sqrt', [emit.add(variance, epsilon)]));
}

/** Inputs x, scale, bias, mean, variance: with the stored moments. */
const batchNormalization: Rewrite = (view) => {
  const { emit } = view;
  if (view.int('training_mode', 0) === 1) return view.refuse('training_mode; export the model in eval mode');
  if (view.node.outputs.slice(1).some((name) => name !== '')) return view.refuse('moments as outputs');
  const epsilon = emit.scalar(view.type(view.x(4)), view.float('epsilon', 1e-5));
  const factor = emit.div(view.x(1), emit.op('Sqrt', [emit.add(view.x(4), epsilon)]));
  const centred = emit.sub(view.x(0), byChannel(view, view.x(3)));
  return [emit.add(emit.mul(centred, byChannel(view, factor)), byChannel(view, view.x(2)))];
};

const instanceNormalization: Rewrite = (view) => {
  const { emit } = view;
  const axes = Array.from({ length: view.rank(view.x(0)) - 2 }, (_, i) => i + 2);
  const unit = standardized(view, view.x(0), axes);
  return [emit.add(emit.mul(unit, byChannel(view, view.x(1))), byChannel(view, view.x(2)))];
};

/** Channels in groups are standardized together; scale and bias are by group before version 21, by channel from then on. */
const groupNormalization: Rewrite = (view) => {
  const { emit } = view;
  const x = view.x(0);
  const groups = view.int('num_groups', 0);
  if (groups < 1) return view.refuse('no num_groups');
  const back = (value: string): string => emit.reshapeLike(value, x, view.xDims(0));
  const unit = standardized(view, emit.op('Reshape', [x, emit.vector([0, groups, -1])]), [2]);
  if (view.version >= 21)
    return [emit.add(emit.mul(back(unit), byChannel(view, view.x(1))), byChannel(view, view.x(2)))];
  const byGroup = (input: number): string => emit.unsqueeze(view.x(input), [1]);
  return [back(emit.add(emit.mul(unit, byGroup(1)), byGroup(2)))];
};

/** x / ‖x‖ₚ along the axis, p 1 or 2. */
const lpNormalization: Rewrite = (view) => {
  const { emit } = view;
  const x = view.x(0);
  const axes = [positiveAxis(view.int('axis', -1), view.rank(x))];
  const norm =
    view.int('p', 2) === 1
      ? emit.reduceSum(emit.op('Abs', [x]), axes, true)
      : emit.op('Sqrt', [emit.reduceSum(emit.mul(x, x), axes, true)]);
  return [emit.div(x, norm)];
};

/** A sum over the axes of a reduction, in the form of the model's opset. */
function summed(view: NodeView, value: string): string {
  const rank = view.rank(view.x(0));
  const listed = view.axes(1, rank) ?? [];
  const none = listed.length === 0 && view.int('noop_with_empty_axes', 0) === 1;
  const axes = listed.length > 0 || none ? listed : Array.from({ length: rank }, (_, i) => i);
  return view.emit.reduceSum(value, axes, view.int('keepdims', 1) === 1);
}

const reduceL1: Rewrite = (view) => [summed(view, view.emit.op('Abs', [view.x(0)]))];

const reduceLogSum: Rewrite = (view) => [view.emit.op('Log', [summed(view, view.x(0))])];

export const momentRewrites: readonly RewriteRule[] = [
  {
    op: 'BatchNormalization',
    versions: [7, 9, 14, 15],
    rewrite: batchNormalization,
    refuses: ['training mode', 'moments as outputs'],
  },
  { op: 'InstanceNormalization', versions: [6, 22], rewrite: instanceNormalization },
  { op: 'GroupNormalization', versions: [18, 21], rewrite: groupNormalization },
  { op: 'LpNormalization', versions: [1, 22], rewrite: lpNormalization },
  { op: 'ReduceL1', versions: [1, 11, 13, 18], rewrite: reduceL1, refuses: ['axes computed at run time'] },
  {
    op: 'ReduceLogSum',
    versions: [1, 11, 13, 18],
    rewrite: reduceLogSum,
    refuses: ['axes computed at run time'],
  },
];
