import { int } from '../ir/attributes.js';
import type { NodeView } from '../autodiff/node-view.js';
import { columns, concat, fixed, mergeHeads, splitHeads, type Shaped } from './heads.js';

export interface Rotation {
  /** Cosines and sines, [batch or 1, positions, half of what is rotated]. */
  readonly cos: string;
  readonly sin: string;
  /** How many of the last dimension's numbers are rotated. */
  readonly size: number;
  /** Pairs are neighbours (2i, 2i + 1); else i and i + size / 2. */
  readonly interleaved: boolean;
}

/** RoPE (Su et al., arXiv 2104.09864, equation 34) on [batch, heads, sequence, size]. */
export function rotate(view: NodeView, x: Shaped, { cos, sin, size, interleaved }: Rotation): Shaped {
  const { emit } = view;
  const whole = fixed(view, x.dims[3], 'the head size');
  if (size > whole || size % 2 !== 0) view.refuse(`${size} of ${whole} numbers of a head cannot be rotated`);
  const half = size / 2;
  const [c, s] = [emit.unsqueeze(cos, [1]), emit.unsqueeze(sin, [1])];
  const turning = size === whole ? x : columns(emit, x, 0, size);
  const every = (from: number): string =>
    emit.op('Slice', [
      turning.name,
      emit.vector([from]),
      emit.vector([size]),
      emit.vector([3]),
      emit.vector([2]),
    ]);
  const [a, b] = interleaved
    ? [every(0), every(1)]
    : [columns(emit, turning, 0, half).name, columns(emit, turning, half, half).name];
  const real = emit.sub(emit.mul(a, c), emit.mul(b, s));
  const imaginary = emit.add(emit.mul(a, s), emit.mul(b, c));
  const turned = interleaved
    ? emit.op('Reshape', [
        concat(emit, [emit.unsqueeze(real, [4]), emit.unsqueeze(imaginary, [4])], 4),
        emit.vector([0, 0, 0, size]),
      ])
    : concat(emit, [real, imaginary], 3);
  if (size === whole) return { ...x, name: turned };
  return { ...x, name: concat(emit, [turned, columns(emit, x, size, whole - size).name], 3) };
}

/** Rows of a cosine or sine table at positions [batch, sequence] (or [1, sequence]). */
export function tableRows(view: NodeView, table: string, positions: string): string {
  return view.emit.op('Gather', [table, positions], { axis: int(0) });
}

/** The shared part of both RotaryEmbedding operators: x is [batch, sequence, hidden] or [batch, heads, sequence, size]. */
export function rotaryEmbedding(
  view: NodeView,
  given: { readonly cos: string; readonly sin: string; readonly half: number },
): readonly string[] {
  const dims = view.xDims(0);
  const x: Shaped = { name: view.x(0), dims };
  const stated = view.int('rotary_embedding_dim', 0);
  const size = stated > 0 ? stated : 2 * given.half;
  const rotation: Rotation = { ...given, size, interleaved: view.int('interleaved', 0) === 1 };
  if (dims.length === 4) return [rotate(view, x, rotation).name];
  if (dims.length !== 3) return view.refuse(`an input of ${dims.length} dimensions`);
  const stateHeads = view.int('num_heads', 0);
  const heads = stateHeads > 0 ? stateHeads : fixed(view, dims[2], 'the hidden size') / size;
  return [mergeHeads(view.emit, rotate(view, splitHeads(view, x, heads), rotation))];
}
