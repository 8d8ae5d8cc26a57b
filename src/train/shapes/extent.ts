import type { ElementType } from '../ir/graph.js';

/**
 * One dimension as shape inference sees it: a number where it is fixed, else a name. Two equal names stand for the
 * same run-time size (they agreed at every probed size).
 */
export type Extent = number | string;

/** Type and shape of every value of a graph. */
export interface ValueTypes {
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
