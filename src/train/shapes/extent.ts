import { FedrotError } from '../../errors.js';
import type { Dim, ElementType, ValueInfo } from '../ir/graph.js';

/**
 * One dimension as shape inference sees it: a number where it is fixed, else a name. Two equal names stand for the
 * same run-time size (they agreed at every probed size). A name is that of an input's dimension, a product such as
 * `4*batch*sequence`, or `9|14` for anything else (the sizes that were probed).
 */
export type Extent = number | string;

/** Type and shape of every value of a graph. */
export interface ValueTypes {
  has(value: string): boolean;
  /** Throws internal for a value that was not inferred. */
  type(value: string): ElementType;
  dims(value: string): readonly Extent[];
}

export function isStatic(dims: readonly Extent[]): dims is readonly number[] {
  return dims.every((dim) => typeof dim === 'number');
}

/** Where the axis lies counted from the front; negative axes count from the back. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis;
}

/** What an input's dimension is called here: its own name, or input and axis where it has none. */
export function dimensionKey(input: string, dim: Dim, axis: number): string {
  return dim === '' ? `${input}.${axis}` : String(dim);
}

export function productExtent(factor: number, names: readonly string[]): string {
  return [...(factor === 1 ? [] : [String(factor)]), ...names].join('*');
}

/** Run-time sizes of the inputs' named dimensions. */
export function runtimeSizes(
  inputs: readonly ValueInfo[],
  dimsOf: (input: string) => readonly number[] | undefined,
): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const { name, dims } of inputs)
    dims.forEach((dim, axis) => {
      const size = dimsOf(name)?.[axis];
      if (typeof dim !== 'number' && size !== undefined) sizes.set(dimensionKey(name, dim, axis), size);
    });
  return sizes;
}

/** The run-time size of a dimension. Throws model_unsupported for one that is no product of the inputs' dimensions. */
export function evaluateExtent(extent: Extent, sizes: ReadonlyMap<string, number>): number {
  if (typeof extent === 'number') return extent;
  const whole = sizes.get(extent);
  if (whole !== undefined) return whole;
  return extent.split('*').reduce((product, part) => {
    const size = sizes.get(part) ?? (/^\d+$/.test(part) ? Number(part) : undefined);
    if (size === undefined)
      throw new FedrotError('model_unsupported', `the run-time size of a dimension (${extent}) is not known`);
    return product * size;
  }, 1);
}
