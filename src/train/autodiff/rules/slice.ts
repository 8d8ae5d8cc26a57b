import { positiveAxis } from '../../shapes/extent.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

/** Axes as numbers: an input from version 10 on; left out means the first ones, in order. */
function slicedAxes(call: Call): number[] {
  const rank = call.rank(call.x(0));
  const listed = call.numbers(3);
  if (listed === undefined && call.has(3)) return call.refuse('axes that are computed at run time');
  if (listed !== undefined) return listed.map((axis) => positiveAxis(axis, rank));
  const starts = call.xDims(1)[0];
  if (typeof starts !== 'number') return call.refuse('a number of axes known only at run time');
  return Array.from({ length: starts }, (_, i) => i);
}

/** Pads the gradient with zeros where the slice left something out. `before` and `after`: int64 vectors of one, by axis. */
function padAxes(
  call: Call,
  before: ReadonlyMap<number, string>,
  after: ReadonlyMap<number, string>,
): string {
  const { emit } = call;
  const rank = call.rank(call.x(0));
  const zero = emit.vector([0]);
  const side = (sizes: ReadonlyMap<number, string>): string[] =>
    Array.from({ length: rank }, (_, axis) => sizes.get(axis) ?? zero);
  return emit.op('Pad', [call.dy(), emit.join([...side(before), ...side(after)])]);
}

/** Where a slice with step 1 begins, as ONNX clamps it: negative starts count from the end. */
function staticBegin(start: number, extent: number): number {
  return Math.min(Math.max(start < 0 ? start + extent : start, 0), extent);
}

/** Step 1 on every axis: the gradient lies between zeros. */
function contiguous(call: Call, axes: readonly number[]): string {
  const { emit } = call;
  const x = call.x(0);
  const [dims, yDims] = [call.xDims(0), call.yDims()];
  const starts = call.numbers(1);
  const before = new Map<number, string>();
  const after = new Map<number, string>();
  axes.forEach((axis, i) => {
    const [extent, length, start] = [dims[axis], yDims[axis], starts?.[i]];
    if (typeof extent === 'number' && typeof length === 'number' && start !== undefined) {
      const begin = staticBegin(start, extent);
      before.set(axis, emit.vector([begin]));
      after.set(axis, emit.vector([extent - begin - length]));
      return;
    }
    const size = emit.dim(x, dims, axis);
    const begin = start === 0 ? emit.vector([0]) : runtimeBegin(call, i, size);
    before.set(axis, begin);
    after.set(axis, emit.sub(emit.sub(size, begin), emit.dim(call.y(0), yDims, axis)));
  });
  return padAxes(call, before, after);
}

function runtimeBegin(call: Call, i: number, size: string): string {
  const { emit } = call;
  const zero = emit.vector([0]);
  const given = emit.slice(call.x(1), emit.vector([i]), emit.vector([i + 1]), [0]);
  const start = call.type(call.x(1)) === 'int64' ? given : emit.cast(given, 'int64');
  const begin = emit.fromFront(start, size);
  // Min and Max take int64 only from version 12 on.
  const atLeastZero = emit.op('Where', [emit.op('Less', [begin, zero]), zero, begin]);
  return emit.op('Where', [emit.op('Greater', [atLeastZero, size]), size, atLeastZero]);
}

/** Any step: one product with the slice of an identity matrix per axis. */
function strided(call: Call, axes: readonly number[]): string {
  const { emit } = call;
  const x = call.x(0);
  const dims = call.xDims(0);
  const rank = dims.length;
  const type = call.type(x);
  let gradient = call.dy();
  axes.forEach((axis, i) => {
    const size = emit.dim(x, dims, axis);
    const all = emit.range(size);
    const part = (input: number): string =>
      emit.slice(call.x(input), emit.vector([i]), emit.vector([i + 1]), [0]);
    const axisOfRange = emit.vector([0]);
    const fit = (value: string, input: number): string =>
      call.type(call.x(input)) === 'int64' ? value : emit.cast(value, 'int64');
    const kept = emit.op('Slice', [all, fit(part(1), 1), fit(part(2), 2), axisOfRange, fit(part(4), 4)]);
    const hot = emit.oneHot(kept, 1, 1, size, type);
    const swap = swapped(rank, axis);
    gradient = emit.transpose(emit.op('MatMul', [emit.transpose(gradient, swap), hot]), swap);
  });
  return gradient;
}

/** The permutation that exchanges an axis and the last one. */
function swapped(rank: number, axis: number): number[] {
  const perm = Array.from({ length: rank }, (_, i) => i);
  perm[axis] = rank - 1;
  perm[rank - 1] = axis;
  return perm;
}

const slice: GradientRule = (call) => {
  const axes = slicedAxes(call);
  const steps = call.has(4) ? call.numbers(4) : axes.map(() => 1);
  if (steps?.every((step) => step === 1)) return [contiguous(call, axes)];
  return [strided(call, axes)];
};

export const sliceRules: readonly OpRule[] = [
  { op: 'Slice', versions: [10, 11, 13], gradient: slice, refuses: ['axes computed at run time'] },
];
