import { float, int } from '../ir/attributes.js';
import type { Node } from '../ir/graph.js';
import type { Expressions } from './expressions.js';
import type { Fused } from './fusion.js';

/** What a value is divided by where that is √(moment + epsilon) with a constant epsilon. */
function overRoot(
  e: Expressions,
  value: string,
): { readonly above: string; readonly moment: string; readonly epsilon: number } | undefined {
  const root = (name: string | undefined): { moment: string; epsilon: number } | undefined => {
    const sum = e.made(e.made(name ?? '', 'Sqrt')?.inputs[0] ?? '', 'Add');
    const [a = '', b = ''] = sum?.inputs ?? [];
    for (const [moment, constant] of [
      [a, b],
      [b, a],
    ] as const) {
      const epsilon = e.scalar(constant);
      if (epsilon !== undefined) return { moment, epsilon };
    }
    return undefined;
  };
  const inverse = (name: string): { moment: string; epsilon: number } | undefined => {
    const node = e.made(name, 'Reciprocal');
    if (node !== undefined) return root(node.inputs[0]);
    const quotient = e.made(name, 'Div');
    return e.scalar(quotient?.inputs[0]) === 1 ? root(quotient?.inputs[1]) : undefined;
  };
  const quotient = e.made(value, 'Div');
  const below = root(quotient?.inputs[1]);
  if (quotient !== undefined && below !== undefined) return { above: quotient.inputs[0] ?? '', ...below };
  const [a = '', b = ''] = e.made(value, 'Mul')?.inputs ?? [];
  for (const [above, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const found = inverse(other);
    if (found !== undefined) return { above, ...found };
  }
  return undefined;
}

/** Both operands, one way round and the other. */
function* eitherWay(node: Node | undefined): Generator<readonly [string, string]> {
  const [a = '', b = ''] = node?.inputs ?? [];
  if (a === '' || b === '') return;
  yield [a, b];
  yield [b, a];
}

/** A vector as long as the last dimension of x. */
function isVectorOf(e: Expressions, value: string, x: string): boolean {
  const dims = e.types.has(value) ? e.types.dims(value) : [];
  return dims.length === 1 && dims[0] === e.types.dims(x).at(-1);
}

/** What is subtracted from by its own mean over the last axis. */
function centred(e: Expressions, value: string): string | undefined {
  const [x = '', mean = ''] = e.made(value, 'Sub')?.inputs ?? [];
  return e.meanOfLast(mean) === x ? x : undefined;
}

/** (x − mean) / √(variance + epsilon) · scale + bias over the last axis (Ba et al., arXiv 1607.06450). */
export function layerNormalization(e: Expressions, node: Node): Fused | undefined {
  if (node.op !== 'Add' || node.domain !== '') return undefined;
  for (const [product, bias] of eitherWay(node))
    for (const [unit, scale] of eitherWay(e.made(product, 'Mul'))) {
      const quotient = overRoot(e, unit);
      const x = quotient === undefined ? undefined : centred(e, quotient.above);
      if (quotient === undefined || x === undefined) continue;
      // Some exporters subtract the mean twice.
      const deviation = e.squared(e.meanOfLast(quotient.moment) ?? '');
      if (deviation === undefined || centred(e, deviation) !== x) continue;
      if (!isVectorOf(e, scale, x) || !isVectorOf(e, bias, x)) continue;
      const attributes = { axis: int(-1), epsilon: float(quotient.epsilon) };
      return { type: 'LayerNormalization', inputs: [x, scale, bias], attributes };
    }
  return undefined;
}

/** x / √(mean(x²) + epsilon) · scale over the last axis (Zhang and Sennrich, arXiv 1910.07467). */
export function rmsNormalization(e: Expressions, node: Node): Fused | undefined {
  if (node.op !== 'Mul' || node.domain !== '') return undefined;
  for (const [unit, scale] of eitherWay(node)) {
    const quotient = overRoot(e, unit);
    if (quotient === undefined) continue;
    const { above: x, moment, epsilon } = quotient;
    if (e.squared(e.meanOfLast(moment) ?? '') !== x || !isVectorOf(e, scale, x)) continue;
    return {
      type: 'SimplifiedLayerNormalization',
      inputs: [x, scale],
      attributes: { axis: int(-1), epsilon: float(epsilon) },
    };
  }
  return undefined;
}
