import type { NodeView } from '../autodiff/node-view.js';
import { fixed, lowest } from './heads.js';

/** More positions of a window than this are too many to write out. */
const MAX_POSITIONS = 1024;

export interface Windows {
  /** Positions in a window, row-major. */
  readonly positions: readonly (readonly number[])[];
  /** What every window has at a position: [batch, channels, windows…]. */
  readonly at: (position: readonly number[]) => string;
  /** The same of another tensor of the input's spatial size. */
  readonly of: (x: string) => (position: readonly number[]) => string;
}

/**
 * The windows that ai.onnx Conv and the pooling operators move over the dimensions behind batch and channels: one strided slice of the
 * padded input for each position in the window. Padding is zeros, or the lowest number. Throws op_unsupported for auto_pad other than NOTSET and VALID.
 */
export function windows(view: NodeView, sizes: readonly number[], padding: 'zeros' | 'lowest'): Windows {
  const { emit } = view;
  const count = sizes.length;
  const each = (name: string, otherwise: number): readonly number[] => {
    const given = view.attribute(name, 'ints') ?? [];
    return given.length === 0 ? sizes.map(() => otherwise) : given;
  };
  const [dilations, strides] = [each('dilations', 1), each('strides', 1)];
  const auto = view.attribute('auto_pad', 'string') ?? 'NOTSET';
  if (auto !== 'NOTSET' && auto !== 'VALID') view.refuse(`auto_pad ${auto}`);
  if (view.int('ceil_mode', 0) === 1) view.refuse('ceil_mode');
  const stated = auto === 'VALID' ? [] : (view.attribute('pads', 'ints') ?? []);
  const pads = stated.length === 0 ? [...sizes, ...sizes].map(() => 0) : stated;
  const positions = sizes.reduce<number[][]>(
    (all, size) => all.flatMap((head) => Array.from({ length: size }, (_, i) => [...head, i])),
    [[]],
  );
  if (positions.length > MAX_POSITIONS)
    view.refuse(`windows of ${positions.length} positions; supported are ${MAX_POSITIONS}`);
  const axes = emit.vector(sizes.map((_, i) => i + 2));
  const padded = (x: string): string => {
    if (pads.every((size) => size === 0)) return x;
    const all = emit.vector([0, 0, ...pads.slice(0, count), 0, 0, ...pads.slice(count)]);
    const type = view.type(view.x(0));
    return emit.op('Pad', padding === 'zeros' ? [x, all] : [x, all, emit.scalar(type, lowest(type))]);
  };
  const of = (x: string): Windows['at'] => {
    const whole = padded(x);
    return (position) => {
      const starts = position.map((at, i) => at * (dilations[i] ?? 1));
      const behind = position.map((at, i) => ((sizes[i] ?? 1) - 1 - at) * (dilations[i] ?? 1));
      const ends = behind.map((size) => (size === 0 ? Number.MAX_SAFE_INTEGER : -size));
      return emit.op('Slice', [whole, emit.vector(starts), emit.vector(ends), axes, emit.vector(strides)]);
    };
  };
  return { positions, at: of(view.x(0)), of };
}

/** Numbers of a window's dimensions: the attribute kernel_shape, or those of the weight behind its first two. */
export function kernelSizes(view: NodeView): readonly number[] {
  const stated = view.attribute('kernel_shape', 'ints');
  if (stated !== undefined) return stated;
  return view
    .xDims(1)
    .slice(2)
    .map((extent) => fixed(view, extent, 'a size of the kernel'));
}
