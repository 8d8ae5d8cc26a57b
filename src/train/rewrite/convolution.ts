import type { NodeView } from '../autodiff/node-view.js';
import { fixed } from './heads.js';
import type { Rewrite, RewriteRule } from './rule.js';
import { kernelSizes, windows } from './windows.js';

/** [size] as [size, 1, …], which broadcasts against [batch, size, …]. */
function byChannel(view: NodeView, vector: string): string {
  const spatial = view.rank(view.x(0)) - 2;
  return view.emit.unsqueeze(
    vector,
    Array.from({ length: spatial }, (_, i) => i + 1),
  );
}

/**
 * Conv as Σ over the kernel's positions of (weight at the position) · (what every window has there): products and slices, whose gradients
 * are known, of a trained kernel too. Inputs x [batch, channels, …], w [outputs, channels / group, …], bias.
 */
const conv: Rewrite = (view) => {
  const { emit } = view;
  const sizes = kernelSizes(view);
  const group = view.int('group', 1);
  const [outputs, inner] = [0, 1].map((axis) => fixed(view, view.xDims(1)[axis], 'a size of the weight'));
  if (outputs === undefined || inner === undefined) return view.refuse('a weight without its sizes');
  const depthwise = inner === 1 && outputs === group;
  const { positions, at } = windows(view, sizes, 'zeros');
  const rank = sizes.length + 2;
  const spatial = Array.from({ length: sizes.length }, (_, i) => i + 2);
  const weightAt = (position: readonly number[]): string => {
    const whole = sizes.every((size) => size === 1);
    const part = whole
      ? view.x(1)
      : emit.slice(view.x(1), emit.vector(position), emit.vector(position.map((i) => i + 1)), spatial);
    return emit.op('Reshape', [
      part,
      emit.vector(depthwise ? [outputs, ...spatial.map(() => 1)] : [group, outputs / group, inner]),
    ]);
  };
  const terms = positions.map((position): string => {
    const x = at(position);
    const weight = weightAt(position);
    if (depthwise) return emit.mul(x, weight);
    const flat = emit.op('Reshape', [x, emit.vector([0, group, inner, -1])]);
    const product = emit.op('MatMul', [weight, flat]);
    const shape = emit.slice(emit.op('Shape', [x]), emit.vector([2]), emit.vector([rank]), [0]);
    return emit.op('Reshape', [product, emit.join([emit.vector([0, outputs]), shape])]);
  });
  const sum = terms.reduce((before, term) => emit.add(before, term));
  return [view.has(2) ? emit.add(sum, byChannel(view, view.x(2))) : sum];
};

/** Mean of every window; positions in the padding count only where count_include_pad says so. */
const averagePool: Rewrite = (view) => {
  const { emit } = view;
  const type = view.type(view.x(0));
  const { positions, at, of } = windows(view, kernelSizes(view), 'zeros');
  const sum = positions.map(at).reduce((before, term) => emit.add(before, term));
  const padded = (view.attribute('pads', 'ints') ?? []).some((size) => size !== 0);
  if (!padded || view.int('count_include_pad', 0) === 1)
    return [emit.mul(sum, emit.scalar(type, 1 / positions.length))];
  const ones = of(emit.expand(emit.scalar(type, 1), emit.op('Shape', [view.x(0)])));
  const counted = positions.map(ones).reduce((before, term) => emit.add(before, term));
  return [emit.div(sum, counted)];
};

/** The largest of every window. */
const maxPool: Rewrite = (view) => {
  if ((view.node.outputs[1] ?? '') !== '') return view.refuse('indices as an output');
  const { positions, at } = windows(view, kernelSizes(view), 'lowest');
  const terms = positions.map(at);
  return [terms.length === 1 ? (terms[0] ?? '') : view.emit.op('Max', terms)];
};

const overSpace =
  (reduce: 'reduceMean' | 'reduceMax'): Rewrite =>
  (view) => [
    view.emit[reduce](
      view.x(0),
      Array.from({ length: view.rank(view.x(0)) - 2 }, (_, i) => i + 2),
      true,
    ),
  ];

const REFUSES = ['auto_pad SAME_UPPER and SAME_LOWER', 'windows of more than 1024 positions'];

export const convolutionRewrites: readonly RewriteRule[] = [
  { op: 'Conv', versions: [1, 11, 22], rewrite: conv, refuses: REFUSES },
  {
    op: 'AveragePool',
    versions: [7, 10, 11, 19, 22],
    rewrite: averagePool,
    refuses: [...REFUSES, 'ceil_mode'],
  },
  {
    op: 'MaxPool',
    versions: [8, 10, 11, 12, 22],
    rewrite: maxPool,
    refuses: [...REFUSES, 'ceil_mode', 'indices as an output'],
  },
  { op: 'GlobalAveragePool', versions: [1, 22], rewrite: overSpace('reduceMean') },
  { op: 'GlobalMaxPool', versions: [1, 22], rewrite: overSpace('reduceMax') },
];
