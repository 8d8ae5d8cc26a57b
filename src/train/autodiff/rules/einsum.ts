import { string } from '../../ir/attributes.js';
import type { Call, GradientRule, OpRule } from '../rule.js';

interface Equation {
  /** Letters of each operand, one a dimension. */
  readonly operands: readonly string[];
  readonly result: string;
}

/** `ij,jk->ik`; without an arrow the result has the letters that occur once, in alphabetical order (numpy.einsum). */
function parse(call: Call): Equation {
  const equation = (call.attribute('equation', 'string') ?? '').replaceAll(' ', '');
  if (equation.includes('.')) call.refuse(`an ellipsis ("${equation}")`);
  const [left = '', right] = equation.split('->');
  const operands = left.split(',');
  const letters = Array.from(left).filter((letter) => letter !== ',');
  const once = letters.filter((letter) => letters.indexOf(letter) === letters.lastIndexOf(letter));
  return { operands, result: right ?? [...once].sort().join('') };
}

/**
 * Y[result] = Σ Π Xᵢ[operandᵢ]. The gradient of an operand is the sum of products of the others and dY, over all letters that it does not
 * have; along letters that only it has, every entry gets the same.
 */
const einsum: GradientRule = (call) => {
  const { emit } = call;
  const { operands, result } = parse(call);
  for (const letters of [...operands, result])
    if (new Set(letters).size !== letters.length) call.refuse(`a letter twice in one operand ("${letters}")`);
  const extents = new Map<string, string | number>();
  operands.forEach((letters, i) =>
    Array.from(letters).forEach((letter, axis) => {
      const extent = call.xDims(i)[axis] ?? 1;
      const known = extents.get(letter);
      if (known !== undefined && known !== extent)
        call.refuse(`letter ${letter} of sizes ${known} and ${extent}`);
      extents.set(letter, extent);
    }),
  );
  return operands.map((own, i) => {
    if (!call.wants(i)) return undefined;
    const others = operands.flatMap((letters, k) => (k === i ? [] : [{ letters, name: call.x(k) }]));
    const factors = [{ letters: result, name: call.dy() }, ...others];
    const seen = new Set(factors.flatMap(({ letters }) => Array.from(letters)));
    const shared = Array.from(own)
      .filter((letter) => seen.has(letter))
      .join('');
    const equation = `${factors.map(({ letters }) => letters).join(',')}->${shared}`;
    const gradient = emit.op(
      'Einsum',
      factors.map(({ name }) => name),
      { equation: string(equation) },
    );
    if (shared === own) return gradient;
    const missing = Array.from(own).flatMap((letter, axis) => (seen.has(letter) ? [] : [axis]));
    return emit.expand(emit.unsqueeze(gradient, missing), emit.shape(call.x(i), call.xDims(i)));
  });
};

export const einsumRules: readonly OpRule[] = [
  {
    op: 'Einsum',
    versions: [12],
    gradient: einsum,
    refuses: ['an ellipsis', 'a letter twice in one operand', 'sizes that are broadcast'],
  },
];
