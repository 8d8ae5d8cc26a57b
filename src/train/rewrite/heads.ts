import type { ElementType } from '../ir/graph.js';
import type { Emitter } from '../autodiff/emitter.js';
import type { NodeView } from '../autodiff/node-view.js';
import type { Extent } from '../shapes/extent.js';

/** A value with its shape. */
export interface Shaped {
  readonly name: string;
  readonly dims: readonly Extent[];
}

/** Reshape where 0 copies the input's dimension: shape parts are numbers or int64 vectors of one. */
export function regroup(emit: Emitter, value: string, shape: readonly (number | string)[]): string {
  const parts: string[] = [];
  let run: number[] = [];
  const flush = (): void => {
    if (run.length > 0) parts.push(emit.vector(run));
    run = [];
  };
  for (const part of shape)
    if (typeof part === 'number') run.push(part);
    else {
      flush();
      parts.push(part);
    }
  flush();
  return emit.op('Reshape', [value, emit.join(parts)]);
}

/** A dimension that must be fixed: the number of heads or a hidden size. Throws op_unsupported. */
export function fixed(view: NodeView, extent: Extent | undefined, what: string): number {
  return typeof extent === 'number' ? extent : view.refuse(`${what} is known only at run time`);
}

/** [batch, sequence, heads · size] → [batch, heads, sequence, size] */
export function splitHeads(view: NodeView, { name, dims }: Shaped, heads: number): Shaped {
  const hidden = fixed(view, dims[2], 'a hidden size');
  if (heads < 1 || hidden % heads !== 0) view.refuse(`${hidden} columns cannot be split into ${heads} heads`);
  const size = hidden / heads;
  const split = regroup(view.emit, name, [0, 0, heads, size]);
  return {
    name: view.emit.transpose(split, [0, 2, 1, 3]),
    dims: [dims[0] ?? '', heads, dims[1] ?? '', size],
  };
}

/** [batch, heads, sequence, size] → [batch, sequence, heads · size] */
export function mergeHeads(emit: Emitter, { name, dims }: Shaped): string {
  const [heads, size] = [dims[1], dims[3]];
  const hidden = typeof heads === 'number' && typeof size === 'number' ? heads * size : -1;
  return regroup(emit, emit.transpose(name, [0, 2, 1, 3]), [0, 0, hidden]);
}

/** Columns [from, from + size) of the last dimension. */
export function columns(emit: Emitter, { name, dims }: Shaped, from: number, size: number): Shaped {
  const last = dims.length - 1;
  const part = emit.slice(name, emit.vector([from]), emit.vector([from + size]), [last]);
  return { name: part, dims: [...dims.slice(0, -1), size] };
}

/** [a, b, …] one behind the other along an axis. */
export function concat(emit: Emitter, values: readonly string[], axis: number): string {
  return emit.op('Concat', values, { axis: { kind: 'int', value: axis } });
}

/** The most negative finite number: a key that may not be seen. Minus infinity would make rows without any key NaN. */
export function lowest(type: ElementType): number {
  return type === 'double' ? -Number.MAX_VALUE : type === 'float16' ? -65504 : -3.4028234663852886e38;
}
