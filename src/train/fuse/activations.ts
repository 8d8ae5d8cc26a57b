import { float } from '../ir/attributes.js';
import type { Node } from '../ir/graph.js';
import { nearly, type Expressions } from './expressions.js';
import type { Fused } from './fusion.js';

const TANH_SLOPE = Math.sqrt(2 / Math.PI);

/** Both factors of a product, each with its constants taken off; first one way round, then the other. */
function* factors(
  e: Expressions,
  node: Node,
): Generator<{ readonly first: string; readonly second: string; readonly scale: number }> {
  if (node.op !== 'Mul' || node.domain !== '') return;
  const [a = '', b = ''] = node.inputs;
  const [p, q] = [e.peel(a), e.peel(b)];
  const scale = p.scale * q.scale;
  yield { first: p.base, second: q.base, scale };
  yield { first: q.base, second: p.base, scale };
}

/** k of a sum k (f(u) + 1), and u. */
function onePlus(e: Expressions, value: string, op: string): { of: string; scale: number } | undefined {
  const sum = e.made(value, 'Add');
  if (sum === undefined) return undefined;
  const [a = '', b = ''] = sum.inputs;
  for (const [one, rest] of [
    [a, b],
    [b, a],
  ] as const) {
    const constant = e.scalar(one);
    const { base, scale } = e.peel(rest);
    const of = e.made(base, op)?.inputs[0];
    if (of !== undefined && constant !== undefined && nearly([constant], [scale])) return { of, scale };
  }
  return undefined;
}

/**
 * x · Φ(x) and its tanh approximation (Hendrycks and Gimpel, arXiv 1606.08415), in every order of its constants. The product may have a
 * constant left over, which exporters put in front of the last Mul.
 */
export function gelu(e: Expressions, node: Node): Fused | undefined {
  const outer = e.peel(node.outputs[0] ?? '');
  const inner = e.made(outer.base, 'Mul');
  if (inner === undefined) return undefined;
  for (const { first: x, second, scale } of factors(e, inner))
    for (const op of ['Erf', 'Tanh'] as const) {
      const found = onePlus(e, second, op);
      if (found === undefined || !nearly([outer.scale * scale * found.scale], [0.5])) continue;
      const argument = e.polynomial(found.of, x);
      if (op === 'Erf' && nearly(argument, [0, Math.SQRT1_2]))
        return { type: 'com.microsoft::Gelu', inputs: [x] };
      if (op === 'Tanh' && nearly(argument, [0, TANH_SLOPE, 0, 0.044715 * TANH_SLOPE]))
        return { type: 'com.microsoft::FastGelu', inputs: [x] };
    }
  return undefined;
}

/** x · σ(α x): SiLU with α = 1 (Elfwing et al., arXiv 1702.03118), GELU's sigmoid approximation with 1.702. */
export function quickGelu(e: Expressions, node: Node): Fused | undefined {
  for (const { first: x, second, scale } of factors(e, node)) {
    const u = e.made(second, 'Sigmoid')?.inputs[0];
    const [offset = 0, alpha = 0, ...higher] = (u === undefined ? undefined : e.polynomial(u, x)) ?? [];
    if (offset === 0 && alpha !== 0 && nearly(higher, []) && scale === 1)
      return {
        type: 'com.microsoft::QuickGelu',
        inputs: [x],
        attributes: { alpha: float(alpha) },
      };
  }
  return undefined;
}
