import { int } from '../../ir/attributes.js';
import { positiveAxis } from '../../shapes/extent.js';
import type { GradientRule, OpRule } from '../rule.js';

/**
 * Y = F X along one axis, the last dimension holding real and imaginary part (or the real part only). F is linear and its adjoint is the
 * inverse transform times the length n; that of the inverse is the transform by n. Where X is real, only the real part counts.
 */
const dft: GradientRule = (call) => {
  const { emit } = call;
  const x = call.x(0);
  const dims = call.xDims(0);
  const rank = dims.length;
  const inverse = call.int('inverse', 0) === 1;
  if (call.int('onesided', 0) === 1) return call.refuse('onesided');
  if (call.has(1)) return call.refuse('dft_length');
  const given = call.version >= 20 ? (call.has(2) ? call.numbers(2)?.[0] : -2) : call.int('axis', 1);
  if (given === undefined) return call.refuse('an axis that is computed at run time');
  const axis = positiveAxis(given, rank);
  const way = { inverse: int(inverse ? 0 : 1) };
  const turned =
    call.version >= 20
      ? emit.op('DFT', [call.dy(), '', emit.scalar('int64', axis)], way)
      : emit.op('DFT', [call.dy()], { ...way, axis: int(axis) });
  const length = emit.cast(emit.squeeze(emit.dim(x, dims, axis), [0]), call.type(x));
  const adjoint = inverse ? emit.div(turned, length) : emit.mul(turned, length);
  if (dims[rank - 1] !== 1) return [adjoint];
  return [emit.slice(adjoint, emit.vector([0]), emit.vector([1]), [rank - 1])];
};

export const fourierRules: readonly OpRule[] = [
  {
    op: 'DFT',
    versions: [17, 20],
    gradient: dft,
    refuses: ['onesided', 'dft_length', 'an axis computed at run time'],
  },
];
